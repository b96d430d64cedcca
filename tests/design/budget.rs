//! `budget`: what is found in each kind of source, and how it is told.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Ran, dotctl, fixture, folder, run_in, snapshot, words};

const CONFIG: &str = r#"
[object.Counter]
configuration = "light"

[object.Counter.operator.clicks]
kind = "counters"
entries = 7000
key_bytes = 12
value_bytes = 50

[object.Counter.operator.sessions]
kind = "windowed"
entries = 4500
key_bytes = 20
value_bytes = 900
"#;

fn write(world: &Path, text: &str) {
    std::fs::write(world.join("dotctl.toml"), text).unwrap();
}

fn operator<'a>(report: &'a Value, name: &str) -> &'a Value {
    let operators = report["objects"][0]["operators"].as_array().unwrap();
    operators.iter().find(|operator| operator["name"] == name).unwrap()
}

#[test]
fn within_near_and_over() {
    let world = folder();
    write(world.path(), CONFIG);
    let report = run_in(world.path(), &words("budget --format json")).exits(0).json();
    assert_eq!(
        (&report["ok"], &report["near_count"], &report["exceeded_count"]),
        (&json!(true), &json!(1), &json!(0))
    );
    let clicks = operator(&report, "clicks");
    assert_eq!(
        (&clicks["status"], &clicks["source"], &clicks["raw_bytes"]),
        (&json!("ok"), &json!("formula"), &json!(940_800))
    );
    assert_eq!(operator(&report, "sessions")["status"], "warn");
    assert_eq!(report["objects"][0]["raw_bytes"], json!(940_800 + 5_238_000));

    write(world.path(), &CONFIG.replace("4500", "5001"));
    let over = run_in(world.path(), &words("budget")).exits(1);
    let text = String::from_utf8(over.stdout).unwrap();
    assert!(text.contains("OVER") && text.contains("1 over budget"), "{text}");
    // A budget of one's own takes the place of the spike's.
    write(
        world.path(),
        &format!("{}\n[budget.operator.windowed]\nentries = 6000\n", CONFIG.replace("4500", "5001")),
    );
    run_in(world.path(), &words("budget")).exits(0);
}

#[test]
fn every_kind_of_source() {
    let world = folder();
    let objects = fixture("state-folder/v3/do/fixtures-Room");
    let names = std::fs::read_dir(&objects).unwrap().map(|entry| entry.unwrap().path());
    let database = names
        .filter(|path| path.extension().is_some_and(|is| is == "sqlite"))
        .find(|path| !path.ends_with("metadata.sqlite"))
        .unwrap();
    for name in std::fs::read_dir(&objects).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(name.path(), world.path().join(name.file_name())).unwrap();
    }
    let database = database.file_name().unwrap().to_str().unwrap();
    std::fs::copy(fixture("state/unsorted.ndjson.gz"), world.path().join("state.gz")).unwrap();
    let checkpoint =
        snapshot(&world.path().join("store"), &fixture("state/listed.json"), "--namespace listed");
    write(
        world.path(),
        &format!(
            "[object.Room.operator.window]\nkind = \"windowed\"\ndatabase = \"{database}\"\n\
         [object.Room.operator.state]\nkind = \"join\"\nsample = \"state.gz\"\n\
         [object.Room.operator.more]\nkind = \"join\"\nsample = \"state.gz\"\nentries = 2000\n\
         [object.Room.operator.kept]\nkind = \"join\"\nstore = \"store\"\ncheckpoint = \"listed@latest\"\n"
        ),
    );
    let report = run_in(world.path(), &words("budget --format json")).exits(0).json();
    let window = operator(&report, "window");
    assert_eq!((&window["entries"], &window["source"]), (&json!(40), &json!("database")));
    assert_eq!(operator(&report, "state")["entries"], 200);
    let (state, more) = (operator(&report, "state"), operator(&report, "more"));
    assert!(more["raw_bytes"].as_u64() > state["raw_bytes"].as_u64().map(|bytes| bytes * 9));
    let kept = operator(&report, "kept");
    assert_eq!(
        (&kept["raw_bytes"], &kept["compressed_bytes"]),
        (&checkpoint["raw_bytes"], &checkpoint["stored_bytes"])
    );
    assert_eq!(kept["entries"], checkpoint["record_count"]);
    // A prefix that no key has is an error with the line.
    let text = std::fs::read_to_string(world.path().join("dotctl.toml")).unwrap();
    write(
        world.path(),
        &text.replacen(
            "[object.Room.operator.state]",
            "prefix = \"widow:\"\n[object.Room.operator.state]",
            1,
        ),
    );
    run_in(world.path(), &words("budget")).refuses(3).mentions("line 1").mentions("window:");
}

/// The entries of one operator in an object are what a snapshot of them is.
#[test]
fn an_operator_in_a_database_is_its_snapshot() {
    let world = folder();
    let objects = fixture("state-folder/v3/do/fixtures-Fixture");
    for entry in std::fs::read_dir(&objects).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), world.path().join(entry.file_name())).unwrap();
    }
    let name = "ddaef4b01899a4582e060654d4a5848f6fa891896e4cdc2b9b4ba92ebdcb7a6e.sqlite";
    write(
        world.path(),
        &format!(
            "[object.A.operator.window]\nkind = \"join\"\ndatabase = \"{name}\"\n\
             [object.A.operator.all]\nkind = \"join\"\ndatabase = \"{name}\"\nprefix = \"\"\n"
        ),
    );
    let report = run_in(world.path(), &words("budget --format json")).exits(0).json();
    // The same entries, one by one, out of a checkpoint of the whole database.
    snapshot(&world.path().join(".dotctl"), &world.path().join(name), "--namespace a");
    let database = rusqlite::Connection::open(world.path().join(name)).unwrap();
    let mut select =
        database.prepare("SELECT key FROM _cf_KV WHERE key LIKE 'window:%' ORDER BY key").unwrap();
    let keys: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(keys.len(), 15);
    let mut lines = String::new();
    for key in &keys {
        let mut command = dotctl();
        command.current_dir(world.path()).args(["get", "a@latest", key, "--format", "json"]);
        // As text: one of the values is half a surrogate pair, which few parsers take.
        let got = String::from_utf8(Ran::of(command.output().unwrap()).exits(0).stdout).unwrap();
        let value = got.trim_end().split_once("\"value\":").unwrap().1.strip_suffix('}').unwrap();
        lines += &format!("[{},{value}]\n", json!(key));
    }
    std::fs::write(world.path().join("window.ndjson"), lines).unwrap();
    let made = snapshot(&world.path().join("own"), &world.path().join("window.ndjson"), "--namespace w");
    let window = operator(&report, "window");
    assert_eq!(
        (&window["entries"], &window["raw_bytes"], &window["compressed_bytes"]),
        (&json!(15), &made["raw_bytes"], &made["stored_bytes"])
    );
    assert_eq!(operator(&report, "all")["entries"], 200);
}

#[test]
fn a_workflow_gets_annotations_and_a_summary() {
    let world = folder();
    write(world.path(), &CONFIG.replace("4500", "5001").replace("7000", "9000"));
    let mut command = dotctl();
    let summary = world.path().join("summary.md");
    command
        .current_dir(world.path())
        .env("GITHUB_STEP_SUMMARY", &summary)
        .args(words("budget --format github"));
    let ran = Ran::of(command.output().unwrap()).exits(1);
    let text = String::from_utf8(ran.stdout).unwrap();
    let line = 1 + CONFIG.lines().position(|line| line.contains("operator.sessions")).unwrap();
    let expected = format!(
        "::error file=dotctl.toml,line={line},col=26,title=over budget::Counter.sessions: entries 5,001 of 5,000 that \
         windowed may have, 100 %25"
    );
    assert!(text.lines().any(|line| line == expected), "{text}");
    assert!(text.contains("::warning file=dotctl.toml,line=5,"), "{text}");
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(summary.starts_with("### ❌ Checkpoint budget: 1 over budget"), "{summary}");
    let markdown = run_in(world.path(), &words("budget --format markdown")).exits(1);
    assert_eq!(String::from_utf8(markdown.stdout).unwrap(), summary);
}

#[test]
fn growth_is_measured_from_a_report_or_a_checkpoint() {
    let world = folder();
    write(world.path(), CONFIG);
    let before = run_in(world.path(), &words("budget --format json")).exits(0);
    std::fs::write(world.path().join("before.json"), &before.stdout).unwrap();
    write(world.path(), &CONFIG.replace("7000", "7500"));
    let grown = run_in(world.path(), &words("budget --format json --baseline before.json")).exits(0).json();
    assert_eq!(
        operator(&grown, "clicks")["growth"]["count"],
        json!({"before": 7000, "now": 7500, "percent": 7.1, "is_excess": false})
    );
    run_in(world.path(), &words("budget --baseline before.json --max-growth 8")).exits(0);
    run_in(world.path(), &words("budget --baseline before.json --max-growth 7")).exits(1);
    write(world.path(), &format!("[budget]\ngrowth_percent = 7\n{}", CONFIG.replace("7000", "7500")));
    let github = run_in(world.path(), &words("budget --baseline before.json --format github")).exits(1);
    assert!(String::from_utf8(github.stdout).unwrap().contains("grew too much"));

    snapshot(&world.path().join(".dotctl"), &fixture("state/listed.json"), "--namespace clicks");
    let against =
        run_in(world.path(), &words("budget --format json --baseline clicks@latest")).exits(1).json();
    assert_eq!(operator(&against, "clicks")["growth"]["count"]["before"], 200);
    assert!(operator(&against, "sessions")["growth"].is_null());
    // A baseline in another store, of the namespace that an operator's own checkpoint has.
    let kept = world.path().join("kept");
    snapshot(&kept, &fixture("state/listed.json"), "--namespace tenant");
    write(
        world.path(),
        "[object.A.operator.b]\nkind = \"join\"\nstore = \"kept\"\ncheckpoint = \"tenant@latest\"\n",
    );
    let same = run_in(world.path(), &words("budget --format json --baseline tenant@latest --store kept"))
        .exits(0)
        .json();
    assert_eq!(operator(&same, "b")["growth"]["raw_bytes"]["percent"], 0.0);
    std::fs::write(world.path().join("other.json"), "{}").unwrap();
    run_in(world.path(), &words("budget --baseline other.json")).refuses(2).mentions("no report");
}

/// What makes the check fail is shown, also where no budget gives it a row.
#[test]
fn growth_of_what_has_no_budget_is_told() {
    let world = folder();
    let operator = |name: &str, entries: u64| {
        format!(
            "[object.A.operator.{name}]\nkind = \"counters\"\nentries = {entries}\nkey_bytes = 12\nvalue_bytes = 50\n"
        )
    };
    write(world.path(), &(operator("x", 1000) + &operator("none", 0)));
    let before = run_in(world.path(), &words("budget --format json")).exits(0);
    std::fs::write(world.path().join("before.json"), &before.stdout).unwrap();
    write(world.path(), &(operator("x", 1000) + &operator("none", 0) + &operator("y", 1000)));
    let line = "budget --baseline before.json --max-growth 5";
    let text = String::from_utf8(run_in(world.path(), &words(line)).exits(1).stdout).unwrap();
    let told = "A: 3 operators (+50.0 % !), raw 269 kB (+100.0 % !), compressed 26.9 kB (+100.0 % !); no `configuration`";
    assert!(text.contains(told), "{text}");
    // Nothing before and nothing now is nothing new.
    assert!(
        text.lines().filter(|line| line.starts_with("A.none")).all(|line| line.ends_with("same")),
        "{text}"
    );
    let github = run_in(world.path(), &words(&format!("{line} --format github"))).exits(1);
    let github = String::from_utf8(github.stdout).unwrap();
    for grew in [
        "operators grew from 2 to 3",
        "raw grew from 134 kB to 269 kB",
        "compressed grew from 13.4 kB to 26.9 kB",
    ] {
        let expected = format!(
            "::error file=dotctl.toml,line=1,col=9,title=grew too much::A: {grew}, 5 %25 or less is allowed"
        );
        assert!(github.lines().any(|line| line == expected), "{expected}: {github}");
    }
    let markdown = run_in(world.path(), &words(&format!("{line} --format markdown"))).exits(1);
    assert!(String::from_utf8(markdown.stdout).unwrap().contains("raw 269 kB (+100.0 % !)"));
}

#[test]
fn every_problem_is_told_with_its_line_and_column() {
    let world = folder();
    write(
        world.path(),
        "[budget]\nnear_precent = 5\n[object.A.operator.b]\nkind = \"conters\"\nentries = 1.5\nkey_bytes = 1\nvalue_bytes = 1\n",
    );
    let ran = run_in(world.path(), &words("budget")).refuses(2);
    for said in [
        "line 2, column 1: there is no `near_precent` here; did you mean `near_percent`?",
        "line 4, column 8: `kind` cannot be \"conters\"; did you mean `counters`?",
        "line 5, column 11: `entries` is to be a whole number of 0 or more, it is 1.5",
    ] {
        ran.mentions(said);
    }
    let json = run_in(world.path(), &words("budget --format json")).exits(2);
    assert_eq!(json.stderr.lines().count(), 1, "{json:?}");
    let github = run_in(world.path(), &words("budget --format github")).exits(2);
    let text = String::from_utf8(github.stdout).unwrap();
    assert_eq!(
        text.lines().filter(|line| line.starts_with("::error file=dotctl.toml,line=")).count(),
        3,
        "{text}"
    );
    std::fs::remove_file(world.path().join("dotctl.toml")).unwrap();
    run_in(world.path(), &words("budget")).refuses(3).mentions("there is no dotctl.toml");
    write(world.path(), "");
    run_in(world.path(), &words("budget")).refuses(2).mentions("declares no object");
    run_in(world.path(), &words("list --format markdown")).refuses(2).mentions("dotctl budget");
}

#[test]
fn the_example_of_the_documentation_is_one() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CI.md")).unwrap();
    let begin = text.find("```toml\n").unwrap() + "```toml\n".len();
    let example = &text[begin..begin + text[begin..].find("```").unwrap()];
    let world = folder();
    write(world.path(), example);
    let report = run_in(world.path(), &words("plan --format json")).exits(0).json();
    assert_eq!(report["design"]["objects"], 1_000);
}

#[test]
fn the_check_answers_at_once() {
    let world = folder();
    write(world.path(), CONFIG);
    let fastest = (0..10).map(|_| {
        let begun = Instant::now();
        run_in(world.path(), &words("budget --format json")).exits(0);
        begun.elapsed()
    });
    assert!(fastest.min().unwrap() < Duration::from_millis(20));
}
