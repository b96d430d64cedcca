//! What a run asked of a bucket, and what that costs.

use serde::Serialize;
use serde_json::{Value, json};

use dotctl_engine::prices::{R2_CLASS_A, R2_CLASS_B};
use dotctl_stores::store::{Requests, Store};

use crate::cli::Format;
use crate::error::say;
use crate::output::Output;
use crate::size::show_count;

#[derive(Debug, Clone, Copy, Serialize)]
struct RequestsDocument {
    class_a: u64,
    class_b: u64,
    cost_usd: f64,
}

impl RequestsDocument {
    fn new(requests: Requests) -> Self {
        let cost_usd = R2_CLASS_A.usd(requests.class_a) + R2_CLASS_B.usd(requests.class_b);
        // A hundredth of the cheapest request.
        let cost_usd = (cost_usd * 1e9).round() / 1e9;
        RequestsDocument { class_a: requests.class_a, class_b: requests.class_b, cost_usd }
    }
}

/// Adds what `store` counted to a result's JSON, if it counts.
pub fn with_requests(document: Value, store: &dyn Store) -> Value {
    with_requests_of(document, store.requests())
}

/// What `store` counted as JSON, if it counts.
pub fn requests_of(store: &dyn Store) -> Option<Value> {
    store.requests().map(|requests| json!(RequestsDocument::new(requests)))
}

/// Adds what was counted to a result's JSON.
pub fn with_requests_of(mut document: Value, requests: Option<Requests>) -> Value {
    if let (Some(requests), Some(members)) = (requests, document.as_object_mut()) {
        members.insert("requests".to_owned(), json!(RequestsDocument::new(requests)));
    }
    document
}

/// Says on stderr what `store` counted, and what it learnt that matters.
pub fn tell(store: &dyn Store, output: &Output) {
    if let Some(warning) = store.warning() {
        output.warn(&warning);
    }
    tell_of(store.requests(), output);
}

/// Says on stderr what was counted.
pub fn tell_of(requests: Option<Requests>, output: &Output) {
    if let Some(requests) = requests
        && !output.quiet
        && output.format == Format::Human
    {
        say(sentence(requests));
    }
}

/// The same where the result on stdout has no room for it.
pub fn tell_apart(store: &dyn Store, output: &Output) {
    tell(store, output);
    if let Some(requests) = store.requests()
        && !output.quiet
        && output.format == Format::Json
    {
        say(json!({ "requests": RequestsDocument::new(requests) }));
    }
}

fn sentence(requests: Requests) -> String {
    let document = RequestsDocument::new(requests);
    let prices = if requests.at_r2 { "" } else { " at R2's prices" };
    format!(
        "requests: {} class A, {} class B, {:.6} USD{prices}",
        show_count(document.class_a),
        show_count(document.class_b),
        document.cost_usd
    )
}
