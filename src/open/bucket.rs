//! From text to a bucket.

use dotctl_engine::{Error, Result};
use dotctl_stores::bucket::{BucketSetting, Patience};

use crate::cli::BucketArgs;

/// What `text` says of a bucket, if that is how it begins. No message repeats it: people put
/// credentials into addresses.
pub fn bucket_setting(text: &str, args: &BucketArgs) -> Result<Option<BucketSetting>> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(None);
    };
    let example =
        "a bucket is s3://BUCKET/PREFIX or r2://BUCKET/PREFIX, a live object https://HOST/PATH/objects/NAME";
    let scheme = ["s3", "r2"].into_iter().find(|known| *known == scheme).ok_or_else(|| {
        Error::unsupported("only s3://, r2:// and the https:// of live objects are addresses of stores")
            .hint(example)
    })?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    // S3's rule, and R2's.
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_name) {
        return Err(Error::malformed(format!("what follows {scheme}:// is not a bucket's name")).hint(
            "3 to 63 letters, digits, `-` and `.`; credentials come from the environment or a profile",
        ));
    }
    let prefix = prefix.trim_matches('/');
    if prefix.chars().any(char::is_control) || prefix.split('/').any(|part| part == "." || part == "..") {
        return Err(
            Error::malformed("a prefix in a bucket has no control characters and no `..`").hint(example)
        );
    }
    let (mut endpoint_url, mut region) = (args.endpoint_url.clone(), args.region.clone());
    if scheme == "r2" {
        region.get_or_insert_with(|| "auto".to_owned());
        if endpoint_url.is_none() {
            endpoint_url = Some(r2_endpoint()?);
        }
    }
    Ok(Some(BucketSetting {
        scheme,
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint_url,
        region,
        credentials: None,
        requests_per_second_max: args.max_requests_per_second,
        names_per_page: BucketSetting::NAMES_PER_PAGE,
        repair: false,
        scratch_folder: std::env::temp_dir(),
        patience: Patience::default(),
    }))
}

/// The address of the account's buckets.
fn r2_endpoint() -> Result<String> {
    let account = std::env::var("R2_ACCOUNT_ID").unwrap_or_default();
    if account.is_empty() || !account.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return Err(Error::malformed("R2_ACCOUNT_ID does not name the account that r2:// is in").hint(
            "set it to the 32 digits that Cloudflare's dashboard shows under R2, or give --endpoint-url",
        ));
    }
    Ok(format!("https://{account}.r2.cloudflarestorage.com"))
}
