//! Sizes as bars, a power of two a line.

use dotctl_engine::measure::SizeBucket;

use super::look::Look;
use super::name::columns;
use super::table::COLUMNS_MAX;
use crate::size::show_count;

/// Columns between the parts of a line.
const GAP: usize = 2;

/// How many values have which size. Sizes without a value between others have a line too, so that
/// the shape is true; `buckets` come smallest first.
pub fn histogram(buckets: &[SizeBucket], look: Look) -> String {
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
        return String::new();
    };
    let total: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut below_bytes = first.below_bytes;
    loop {
        let count =
            buckets.iter().find(|bucket| bucket.below_bytes == below_bytes).map_or(0, |bucket| bucket.count);
        lines.push((format!("< {}", show_power(below_bytes)), count));
        if below_bytes >= last.below_bytes {
            break;
        }
        below_bytes = below_bytes.saturating_mul(2);
    }
    let label_columns = lines.iter().map(|(label, _)| columns(label)).max().unwrap_or(0);
    let count_columns = show_count(most).len();
    let percent_columns = "100.0 %".len();
    let bar_columns = COLUMNS_MAX - label_columns - count_columns - percent_columns - 3 * GAP;
    lines
        .iter()
        .map(|(label, count)| {
            let bar = bar(*count, most, bar_columns, look.unicode);
            let padding = " ".repeat(bar_columns - columns(&bar));
            let share = *count as f64 / total.max(1) as f64 * 100.0;
            format!(
                "{label:>label_columns$}  {bar}{padding}  {:>count_columns$}  {share:>5.1} %\n",
                show_count(*count)
            )
        })
        .collect()
}

/// A bar for `count`, as long as there is room for `most`. What is not nothing can be seen.
fn bar(count: u64, most: u64, room: usize, unicode: bool) -> String {
    // Eighths of a column, or whole ones.
    let steps = if unicode { 8 } else { 1 };
    let length = (count as f64 / most.max(1) as f64 * (room * steps) as f64).round() as usize;
    let length = length.max(usize::from(count > 0)).min(room * steps);
    if !unicode {
        return "#".repeat(length);
    }
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    format!("{}{}", "█".repeat(length / 8), PARTS.get(length % 8).unwrap_or(&""))
}

/// A power of two in binary units.
fn show_power(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (bytes.max(1).ilog2() / 10).min(4);
    format!("{} {}", bytes >> (unit * 10), UNITS.get(unit as usize).unwrap_or(&"B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(below_bytes: u64, count: u64) -> SizeBucket {
        SizeBucket {
            from_bytes: below_bytes / 2,
            below_bytes,
            count,
            value_bytes: count.saturating_mul(below_bytes / 2),
        }
    }

    #[test]
    fn every_size_between_has_a_line() {
        let shown = histogram(&[bucket(512, 30), bucket(2_048, 60)], Look { color: false, unicode: false });
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| columns(line) == 80), "{shown}");
        let bars: Vec<_> = lines.iter().map(|line| line.matches('#').count()).collect();
        assert_eq!(bars, [29, 0, 58]);
        assert!(lines[0].starts_with("< 512 B  #"), "{shown}");
        assert!(lines[1].starts_with("< 1 KiB  ") && lines[1].ends_with("   0    0.0 %"), "{shown}");
        assert!(lines[2].ends_with("#  60   66.7 %"), "{shown}");
    }

    #[test]
    fn a_single_value_among_many_is_seen() {
        assert_eq!(bar(1, 1_000_000, 60, true), "▏");
        assert_eq!(bar(1, 1_000_000, 60, false), "#");
        assert_eq!(bar(0, 1_000_000, 60, true), "");
        assert_eq!(bar(3, 4, 2, true), "█▌");
        assert_eq!(bar(7, 7, 3, true), "███");
        assert_eq!(bar(u64::MAX, u64::MAX, 3, false), "###");
    }

    #[test]
    fn the_largest_numbers_fit() {
        let all: Vec<_> = (0..33).map(|bits| bucket(1 << bits, u64::MAX / 64)).collect();
        for look in [true, false] {
            let shown = histogram(&all, Look { color: false, unicode: look });
            assert!(shown.lines().all(|line| columns(line) == 80), "{shown}");
            assert!(shown.trim_start().starts_with("< 1 B  "), "{shown}");
            assert!(shown.contains("< 4 GiB"), "{shown}");
        }
        assert_eq!(histogram(&[], Look { color: false, unicode: true }), "");
    }
}
