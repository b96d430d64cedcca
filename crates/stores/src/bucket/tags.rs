//! Tags in a bucket: `tags/<tag>/<id>`, objects without content.

use dotctl_engine::Result;
use dotctl_engine::format::layout::{TAGS, parse_tag, tag_key};
use dotctl_engine::tag::Tagged;

use super::{BucketStore, marks};
use crate::prune::check_tagged;

/// All of them, ordered. Other names are not ours.
pub fn list(store: &BucketStore) -> Result<Vec<Tagged>> {
    let listed = store.list(TAGS, "list tags")?;
    let parse = |name: &str| name.split_once('/').and_then(|(tag, id)| parse_tag(tag, id));
    let mut tags: Vec<_> = listed.iter().filter_map(|listed| parse(&listed.name)).collect();
    tags.sort_unstable();
    Ok(tags)
}

/// Adds `tagged`, and says whether it was not there. A prune that lists tags before this one is there has begun its
/// sweep before: so its checkpoint is there for good if it is once the sweep has ended.
pub fn add(store: &BucketStore, tagged: &Tagged) -> Result<bool> {
    let is_new = !is_there(store, tagged)?;
    if is_new {
        marks::put_empty(store, &tag_key(tagged))?;
        marks::wait_for_sweeps(store)?;
        if let Err(error) = check_tagged(store, tagged) {
            marks::delete(store, &tag_key(tagged))?;
            return Err(error);
        }
    }
    Ok(is_new)
}

/// Removes `tagged`, and says whether it was there.
pub fn remove(store: &BucketStore, tagged: &Tagged) -> Result<bool> {
    let was_there = is_there(store, tagged)?;
    if was_there {
        marks::delete(store, &tag_key(tagged))?;
    }
    Ok(was_there)
}

fn is_there(store: &BucketStore, tagged: &Tagged) -> Result<bool> {
    let length = store.block_on(store.client.length(&store.key(&tag_key(tagged))));
    Ok(length.map_err(|refusal| store.client.explain(&refusal, "look for a tag"))?.is_some())
}
