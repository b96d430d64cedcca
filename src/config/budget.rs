//! The tables `budget` and `object`: what operators and objects may have, and what they have.

use std::borrow::Cow;

use dotctl_engine::budget::{NEAR_PERCENT, OBJECTS, OPERATORS, ObjectBudget, OperatorBudget};
use dotctl_engine::estimate::{DEFAULT_COMPRESSION_RATIO, Shape};

use super::document::{Located, Section, Spot};

/// What operators and objects may have: the spike's numbers with the project's changes.
#[derive(Debug, Clone)]
pub struct Budgets {
    /// From this share of a budget on, people are told.
    pub near_percent: u64,
    /// By how much anything may grow since the baseline.
    pub growth_percent: Option<f64>,
    pub operators: Vec<OperatorBudget>,
    pub objects: Vec<ObjectBudget>,
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets {
            near_percent: NEAR_PERCENT,
            growth_percent: None,
            operators: OPERATORS.to_vec(),
            objects: OBJECTS.to_vec(),
        }
    }
}

impl Budgets {
    pub(super) fn read(section: &Section<'_, '_>) -> Self {
        let mut budgets = Budgets::default();
        if let Some(percent) = section.percent("near_percent") {
            budgets.near_percent = percent.value.round() as u64;
        }
        budgets.growth_percent = section.number("growth_percent").map(|percent| percent.value);
        for (kind, own) in section.named("operator") {
            let numbers = ["raw_bytes", "compressed_bytes"].map(|name| own.size(name));
            let entries = own.count("entries");
            own.finish();
            let [raw, compressed] = numbers;
            match budgets.operators.iter_mut().find(|budget| budget.kind == kind) {
                Some(budget) => {
                    change(&mut budget.raw_bytes, raw);
                    change(&mut budget.compressed_bytes, compressed);
                    change(&mut budget.entries, entries);
                }
                None => budgets.operators.push(OperatorBudget {
                    kind: Cow::Owned(kind.to_owned()),
                    entries_are: Cow::Borrowed("entries"),
                    raw_bytes: raw.map_or(u64::MAX, |size| size.value),
                    compressed_bytes: compressed.map_or(u64::MAX, |size| size.value),
                    entries: entries.map_or(u64::MAX, |count| count.value),
                }),
            }
        }
        for (configuration, own) in section.named("object") {
            let [raw, compressed] = ["raw_bytes", "compressed_bytes"].map(|name| own.size(name));
            let operators = own.count("operators");
            own.finish();
            match budgets.objects.iter_mut().find(|budget| budget.configuration == configuration) {
                Some(budget) => {
                    change(&mut budget.raw_bytes, raw);
                    change(&mut budget.compressed_bytes, compressed);
                    change(&mut budget.operators, operators);
                }
                None => budgets.objects.push(ObjectBudget {
                    configuration: Cow::Owned(configuration.to_owned()),
                    operators: operators.map_or(u64::MAX, |count| count.value),
                    raw_bytes: raw.map_or(u64::MAX, |size| size.value),
                    compressed_bytes: compressed.map_or(u64::MAX, |size| size.value),
                }),
            }
        }
        section.finish();
        budgets
    }

    /// The budget of the operators called `kind`.
    pub fn operator(&self, kind: &str) -> Option<&OperatorBudget> {
        self.operators.iter().find(|budget| budget.kind == kind)
    }

    /// The budget of the objects in `configuration`.
    pub fn object(&self, configuration: &str) -> Option<&ObjectBudget> {
        self.objects.iter().find(|budget| budget.configuration == configuration)
    }
}

fn change(number: &mut u64, own: Option<Located<u64>>) {
    if let Some(own) = own {
        *number = own.value;
    }
}

/// One kind of object and the operators in it.
#[derive(Debug, Clone)]
pub struct ObjectDeclaration {
    pub name: String,
    /// Where it stands.
    pub spot: Spot,
    /// The budget it is under, if it names one.
    pub configuration: Option<String>,
    pub operators: Vec<OperatorDeclaration>,
}

/// One operator.
#[derive(Debug, Clone)]
pub struct OperatorDeclaration {
    pub name: String,
    /// Where it stands.
    pub spot: Spot,
    /// The budget it is under.
    pub kind: String,
    /// Where its numbers come from.
    pub measured: Measured,
}

/// Where an operator's numbers come from.
#[derive(Debug, Clone)]
pub enum Measured {
    /// The spike's formula.
    Formula(Shape),
    /// A state snapshot or database of which chunks are compressed, perhaps for another number of entries.
    Sample { path: String, entries: Option<u64> },
    /// The entries of an object's database that begin with a prefix.
    Database { path: String, prefix: String },
    /// A checkpoint.
    Checkpoint { store: String, reference: String, entries: Option<u64> },
}

/// The objects that the document declares.
pub(super) fn read_objects(root: &Section<'_, '_>, budgets: &Budgets) -> Vec<ObjectDeclaration> {
    let configurations: Vec<&str> = budgets.objects.iter().map(|budget| &*budget.configuration).collect();
    let objects = root.named("object").into_iter().map(|(name, section)| {
        let configuration =
            section.choice("configuration", &configurations).map(|choice| choice.value.to_owned());
        let operators = section
            .named("operator")
            .into_iter()
            .filter_map(|(name, section)| read_operator(name, &section, budgets));
        let declared = ObjectDeclaration {
            name: name.to_owned(),
            spot: section.spot(),
            configuration,
            operators: operators.collect(),
        };
        section.finish();
        declared
    });
    objects.collect()
}

fn read_operator(name: &str, section: &Section<'_, '_>, budgets: &Budgets) -> Option<OperatorDeclaration> {
    let kinds: Vec<&str> = budgets.operators.iter().map(|budget| &*budget.kind).collect();
    let kind = section.choice("kind", &kinds);
    let entries = section.count("entries");
    let (key_bytes, value_bytes) = (section.number("key_bytes"), section.number("value_bytes"));
    let ratio = section.number("compression_ratio");
    let [sample, database, prefix, store, checkpoint] =
        ["sample", "database", "prefix", "store", "checkpoint"].map(|name| section.text(name));
    section.finish();
    if kind.is_none() && section.is_there() && !section.says("kind") {
        section.note(format!("operator `{name}` has no `kind`: {}", kinds.join(", ")));
    }
    let given = [sample, database, checkpoint].into_iter().flatten().count();
    if given > 1 {
        section.note(format!("operator `{name}` has more than one of `sample`, `database` and `checkpoint`"));
        return None;
    }
    let misplaced = |spot: Option<Spot>, what: &str, needs: &str| {
        if let Some(spot) = spot {
            section.note_at(spot, format!("`{what}` goes with {needs}, which is not here"));
        }
    };
    if given > 0 {
        for (what, spot) in [
            ("key_bytes", key_bytes.map(|number| number.spot)),
            ("value_bytes", value_bytes.map(|number| number.spot)),
            ("compression_ratio", ratio.map(|number| number.spot)),
        ] {
            misplaced(spot, what, "the formula");
        }
    }
    if database.is_none() {
        misplaced(prefix.map(|text| text.spot), "prefix", "`database`");
    }
    if checkpoint.is_none() {
        misplaced(store.map(|text| text.spot), "store", "`checkpoint`");
    }
    let entries_given = entries.map(|count| count.value);
    let measured = if let Some(path) = sample {
        Measured::Sample { path: path.value.to_owned(), entries: entries_given }
    } else if let Some(path) = database {
        let prefix = prefix.map_or_else(|| format!("{name}:"), |text| text.value.to_owned());
        Measured::Database { path: path.value.to_owned(), prefix }
    } else if let Some(reference) = checkpoint {
        Measured::Checkpoint {
            store: store.map_or("./.dotctl", |text| text.value).to_owned(),
            reference: reference.value.to_owned(),
            entries: entries_given,
        }
    } else {
        let missing: Vec<&str> =
            [("entries", section.says("entries")), ("key_bytes", section.says("key_bytes"))]
                .into_iter()
                .chain([("value_bytes", section.says("value_bytes"))])
                .filter(|(_, is_said)| !is_said)
                .map(|(name, _)| name)
                .collect();
        if !missing.is_empty() {
            section.note(format!(
                "operator `{name}` has no {}; it needs entries, key_bytes and value_bytes, or one of \
                 sample, database and checkpoint",
                missing.join(", ")
            ));
        }
        let compression_ratio = ratio.map_or(DEFAULT_COMPRESSION_RATIO, |ratio| ratio.value);
        let shape = Shape::new(entries?.value, key_bytes?.value, value_bytes?.value, compression_ratio);
        Measured::Formula(shape.ok()?)
    };
    Some(OperatorDeclaration {
        name: name.to_owned(),
        spot: section.spot(),
        kind: kind?.value.to_owned(),
        measured,
    })
}
