//! What grew since a baseline.

use serde::Serialize;

/// How much a number of bytes or things grew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Growth {
    /// Before.
    pub before: u64,
    /// Now.
    pub now: u64,
    /// What came on top, in percent of before; `null` where there was nothing before. Negative
    /// where it shrank.
    pub percent: Option<f64>,
    /// Whether it grew by more than is allowed.
    pub is_excess: bool,
}

/// From `before` to `now`, with `allowed_percent` allowed, if anything is forbidden. What was not there before may
/// be there now: that is for its budget to say.
pub fn growth(before: u64, now: u64, allowed_percent: Option<f64>) -> Growth {
    let percent = (before > 0).then(|| {
        let change = now as f64 - before as f64;
        (change / before as f64 * 1000.0).round() / 10.0
    });
    let exact = |allowed: f64| now as f64 > before as f64 * (1.0 + allowed / 100.0);
    Growth { before, now, percent, is_excess: before > 0 && allowed_percent.is_some_and(exact) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_allowed_is_excess() {
        assert!(!growth(1000, 1100, Some(10.0)).is_excess);
        assert!(growth(1000, 1101, Some(10.0)).is_excess);
        assert!(!growth(1000, 9000, None).is_excess);
        assert_eq!(growth(0, 9000, Some(0.0)).percent, None);
        assert!(!growth(0, 9000, Some(0.0)).is_excess);
        assert_eq!(growth(1000, 500, Some(0.0)).percent, Some(-50.0));
    }
}
