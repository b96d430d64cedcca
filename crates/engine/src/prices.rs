//! What requests cost. Every number of it is here, with its unit, date and source.

/// The price of one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// What is paid for.
    pub name: &'static str,
    /// Millionths of a US dollar for a million of them.
    pub micro_usd_per_million: u64,
    /// When the price was read.
    pub date: &'static str,
    /// Where.
    pub source: &'static str,
}

const R2_PRICING: &str = "https://developers.cloudflare.com/r2/pricing/";

/// R2, standard storage, class A operations: those that write or list. 4.50 USD per million.
pub const R2_CLASS_A: Price =
    Price { name: "r2-class-a", micro_usd_per_million: 4_500_000, date: "2026-11-21", source: R2_PRICING };

/// R2, standard storage, class B operations: those that read. 0.36 USD per million.
pub const R2_CLASS_B: Price =
    Price { name: "r2-class-b", micro_usd_per_million: 360_000, date: "2026-11-21", source: R2_PRICING };

impl Price {
    /// What `count` of them cost, in US dollars, without what is free each month.
    pub fn usd(&self, count: u64) -> f64 {
        count as f64 * self.micro_usd_per_million as f64 / 1e12
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_costs_what_the_table_says() {
        assert_eq!(R2_CLASS_A.usd(1_000_000), 4.5);
        assert_eq!(R2_CLASS_B.usd(1_000_000), 0.36);
        assert_eq!(R2_CLASS_A.usd(0), 0.0);
    }
}
