//! What the command line holds and no message may.

/// `text` without the names and passwords that somebody wrote into an address on the command line. Where the
/// address cannot be used, messages repeat it, or a part of it.
pub fn without_secrets(text: String) -> String {
    std::env::args_os().skip(1).fold(text, |text, word| hide(text, &word.to_string_lossy()))
}

/// `text` without what stands in `word` between `://` and the last `@`, or between two of them.
fn hide(text: String, word: &str) -> String {
    let Some((secret, _)) = word.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')) else {
        return text;
    };
    let whole = text.replace(secret, HIDDEN);
    secret.split('@').filter(|part| !part.is_empty()).fold(whole, |text, part| text.replace(part, HIDDEN))
}

/// What is shown instead.
const HIDDEN: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let shown = |text: &str, word: &str| hide(text.to_owned(), word);
        assert_eq!(shown("cannot open s3://a:b@c/d", "s3://a:b@c/d"), "cannot open s3://…@c/d");
        assert_eq!(shown("no s3://a:b is there", "--base=s3://a:b@c/d"), "no s3://… is there");
        assert_eq!(shown("no s3://me:p is there, nor w", "s3://me:p@w@c"), "no s3://… is there, nor …");
        for word in ["name@latest", "s3://bucket/a", "/home/me@work", ""] {
            assert_eq!(
                shown("name@latest s3://bucket/a /home/me@work", word),
                "name@latest s3://bucket/a /home/me@work"
            );
        }
    }
}
