//! The names in a bucket, page by page.

use super::client::{Class, Client};
use super::refusal::Refusal;

/// An object as a listing tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key below the listing's prefix.
    pub name: String,
    pub stored_bytes: u64,
    /// When it was written, by the server's clock, in milliseconds of Unix time, where it says.
    pub modified_ms: Option<i64>,
}

/// How often a page after another must be empty before it is believed.
const EMPTY_CLAIMS: u32 = 3;

impl Client {
    /// Every object below `prefix`, ordered by name.
    ///
    /// A page is believed only if it continues the one before: it answers the token that was sent,
    /// its names come after those before and among themselves in order, and its own count is that of
    /// its names. One that does not is asked for again.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Refusal> {
        let mut listed: Vec<Listed> = Vec::new();
        let mut token: Option<String> = None;
        let (mut failures, mut empty_pages) = (0, 0);
        loop {
            match self.page(prefix, token.as_deref(), listed.last()).await? {
                // Where the page before said that there is more, nothing is hard to believe.
                Ok((names, _)) if names.is_empty() && token.is_some() && empty_pages < EMPTY_CLAIMS => {
                    empty_pages += 1;
                }
                Ok((names, next)) => {
                    (failures, empty_pages) = (0, 0);
                    listed.extend(names);
                    match next {
                        None => return Ok(listed),
                        next => token = next,
                    }
                }
                Err(wrong) => {
                    failures += 1;
                    if failures >= self.patience.attempts {
                        return Err(Refusal::lost(wrong));
                    }
                    self.pause(failures, None).await;
                }
            }
        }
    }

    /// One page and the token of the next, or what is wrong with it.
    #[allow(clippy::type_complexity, reason = "a failure to be told, a fault to be tried again, a page")]
    async fn page(
        &self,
        prefix: &str,
        token: Option<&str>,
        last: Option<&Listed>,
    ) -> Result<Result<(Vec<Listed>, Option<String>), &'static str>, Refusal> {
        let page = self
            .call(Class::A, 0, || {
                self.s3
                    .list_objects_v2()
                    .bucket(&self.bucket)
                    .prefix(prefix)
                    .max_keys(self.names_per_page.into())
                    .set_continuation_token(token.map(str::to_owned))
                    .send()
            })
            .await?;
        if page.continuation_token().is_some_and(|answered| Some(answered) != token) {
            return Ok(Err("the server answers with another page of the listing"));
        }
        let contents = page.contents();
        if page.key_count().is_some_and(|count| usize::try_from(count).ok() != Some(contents.len())) {
            return Ok(Err("a page of the listing lacks names"));
        }
        let mut names: Vec<Listed> = Vec::with_capacity(contents.len());
        for object in contents {
            let Some(name) = object.key().and_then(|key| key.strip_prefix(prefix)) else {
                return Ok(Err("a page of the listing has names of another place"));
            };
            if names.last().or(last).is_some_and(|before| before.name.as_str() >= name) {
                return Ok(Err("a page of the listing repeats names or is out of order"));
            }
            let stored_bytes = object.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            let modified_ms = object.last_modified().and_then(|moment| moment.to_millis().ok());
            names.push(Listed { name: name.to_owned(), stored_bytes, modified_ms });
        }
        let next = page.next_continuation_token().map(str::to_owned);
        match (page.is_truncated().unwrap_or(false), next) {
            (false, None) => Ok(Ok((names, None))),
            (false, Some(_)) => Ok(Err("a page of the listing is both the last and not")),
            (true, None) => Ok(Err("a page of the listing does not say how to go on")),
            (true, next) if next.as_deref() == token => Ok(Err("the listing goes in circles")),
            (true, next) => Ok(Ok((names, next))),
        }
    }
}
