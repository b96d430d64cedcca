//! The table `plan`: a design or a fleet.

use super::document::Section;

/// What is to be planned, as far as the file says; flags and defaults say the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanDeclaration {
    pub objects: Option<u64>,
    pub operators: Option<u64>,
    pub entries: Option<u64>,
    pub key_bytes: Option<f64>,
    pub value_bytes: Option<f64>,
    pub compression_ratio: Option<f64>,
    pub growth_per_day: Option<f64>,
    pub writes_per_second: Option<f64>,
    pub reads_per_second: Option<f64>,
    pub active_percent: Option<f64>,
    pub changed_percent: Option<f64>,
    pub checkpoints_per_day: Option<f64>,
    pub retention_days: Option<f64>,
    pub restore_bytes_per_second: Option<u64>,
    pub pack_bytes: Option<u64>,
    pub multi_tenant: Option<bool>,
    pub profile: Option<String>,
    pub compaction: Option<String>,
    pub tiering: Option<String>,
    pub cache: Option<String>,
    pub root_partitions: Option<u64>,
    pub fan_out: Option<u64>,
    pub partition_bytes: Option<u64>,
    pub promoted_keys: Option<u64>,
}

impl PlanDeclaration {
    pub(super) fn read(section: &Section<'_, '_>) -> Self {
        use dotctl_engine::plan::{CACHES, CHECKPOINT_PROFILES, COMPACTION_PROFILES, TIERING_PROFILES};
        let count = |name| section.count(name).map(|found| found.value);
        let number = |name| section.number(name).map(|found| found.value);
        let percent = |name| section.percent(name).map(|found| found.value);
        let size = |name| section.size_above_0(name).map(|found| found.value);
        let choice =
            |name, choices: &[&str]| section.choice(name, choices).map(|found| found.value.to_owned());
        let declared = PlanDeclaration {
            objects: count("objects"),
            operators: count("operators"),
            entries: count("entries"),
            key_bytes: number("key_bytes"),
            value_bytes: number("value_bytes"),
            compression_ratio: number("compression_ratio"),
            growth_per_day: number("growth_per_day"),
            writes_per_second: number("writes_per_second"),
            reads_per_second: number("reads_per_second"),
            active_percent: percent("active_percent"),
            changed_percent: percent("changed_percent"),
            checkpoints_per_day: number("checkpoints_per_day"),
            retention_days: number("retention_days"),
            restore_bytes_per_second: size("restore_bytes_per_second"),
            pack_bytes: size("pack_bytes"),
            multi_tenant: section.flag("multi_tenant"),
            profile: choice("profile", &CHECKPOINT_PROFILES.map(|profile| profile.name)),
            compaction: choice("compaction", &COMPACTION_PROFILES.map(|profile| profile.name)),
            tiering: choice("tiering", &TIERING_PROFILES.map(|profile| profile.name)),
            cache: choice("cache", &CACHES.map(|cache| cache.name)),
            root_partitions: count("root_partitions"),
            fan_out: count("fan_out"),
            partition_bytes: size("partition_bytes"),
            promoted_keys: count("promoted_keys"),
        };
        section.finish();
        declared
    }
}
