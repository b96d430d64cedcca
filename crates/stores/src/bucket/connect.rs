//! From a setting to a client.

use std::sync::atomic::{AtomicBool, AtomicU64};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials as KeyPair, ProvideCredentials, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use dotctl_engine::{Error, ErrorKind, Result};

use super::client::{Client, Conditions};
use super::pace::Pace;
use super::setting::BucketSetting;

/// What R2's hosts end with.
const R2_HOST: &str = ".r2.cloudflarestorage.com";

/// What the hosts of Amazon's own S3 end with.
const AMAZON_HOST: &str = ".amazonaws.com";

/// Finds region, endpoint and credentials as the SDK does, and refuses what cannot work. Sends
/// nothing to the bucket.
pub async fn connect(setting: &BucketSetting) -> Result<Client> {
    let place = location(setting);
    if let Some(url) = &setting.endpoint_url {
        check_endpoint(url)?;
    }
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = &setting.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(keys) = &setting.credentials {
        let pair = KeyPair::new(&keys.access_key_id, &keys.secret_access_key, None, None, "dotctl");
        loader = loader.credentials_provider(pair);
    }
    if let Some(url) = &setting.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let shared = loader.load().await;
    let endpoint = shared.endpoint_url().map(str::to_owned);
    if let Some(url) = &endpoint {
        check_endpoint(url)?;
    }
    let region = match shared.region() {
        Some(region) => region.clone(),
        // Servers other than Amazon's rarely care.
        None if endpoint.is_some() => Region::new("auto"),
        None => {
            return Err(Error::new(ErrorKind::Missing, "no region is known for this bucket")
                .at(place)
                .hint("name one with --region or AWS_REGION, or a server with --endpoint-url"));
        }
    };
    let secrets = secrets(&shared, &place).await?;
    let server = endpoint.as_deref().map_or_else(|| format!("S3 in {region}"), host);
    let name = server.split(':').next().unwrap_or_default();
    let at_r2 = name.ends_with(R2_HOST);
    // Both document `If-None-Match: *` on Puts.
    let heeds_conditions = at_r2 || endpoint.is_none() || name.ends_with(AMAZON_HOST);
    let conditions =
        Conditions { heeded: AtomicBool::new(heeds_conditions), ignored: AtomicBool::new(false) };
    let mut config = aws_sdk_s3::config::Builder::from(&shared);
    // What follows would take the place of the last part of a path that does not end.
    config.set_endpoint_url(endpoint.as_ref().map(|url| format!("{}/", url.trim_end_matches('/'))));
    let config = config
        .region(region)
        // Every attempt is made, counted and paced by us.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(setting.patience.connect).build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // R2 has refused the trailers that the SDK would send; our own hashes decide.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .force_path_style(endpoint.is_some())
        .build();
    Ok(Client {
        s3: aws_sdk_s3::Client::from_conf(config),
        bucket: setting.bucket.clone(),
        patience: setting.patience,
        names_per_page: setting.names_per_page,
        place,
        server,
        secrets,
        at_r2,
        conditions,
        pace: Pace::new(setting.requests_per_second_max),
        class_a: AtomicU64::new(0),
        class_b: AtomicU64::new(0),
        reached: AtomicBool::new(false),
    })
}

/// How people call the store.
pub fn location(setting: &BucketSetting) -> String {
    let slash = if setting.prefix.is_empty() { "" } else { "/" };
    format!("{}://{}{slash}{}", setting.scheme, setting.bucket, setting.prefix)
}

/// Refuses an endpoint that is no address, or one that would carry secrets into messages.
fn check_endpoint(url: &str) -> Result<()> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        Some(authority) if authority.contains('@') => {
            Err(Error::malformed("the endpoint's address holds a user's name or password")
                .hint("give credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile"))
        }
        Some(authority) if !authority.is_empty() => Ok(()),
        _ => Err(Error::malformed("the endpoint is not an address that begins with https:// or http://")
            .hint("for instance --endpoint-url http://127.0.0.1:9000")),
    }
}

fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}

/// What must never be shown. Fails where there are no credentials at all.
async fn secrets(shared: &aws_config::SdkConfig, place: &str) -> Result<Vec<String>> {
    let missing = || {
        Error::new(ErrorKind::Missing, "there are no credentials for this bucket")
            .at(place)
            .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE")
    };
    let provider = shared.credentials_provider().ok_or_else(missing)?;
    // The SDK's own words may hold a file's lines.
    let keys = provider.provide_credentials().await.map_err(|_| missing())?;
    let token = keys.session_token().unwrap_or_default();
    Ok([keys.secret_access_key(), token, keys.access_key_id()].map(str::to_owned).to_vec())
}
