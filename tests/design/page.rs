//! The page of `plan --html`, in a real browser without a window.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::plan::log;
use crate::support::{Ran, dotctl, folder, run_in, words};

fn browser() -> Command {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .flat_map(|folder| names.map(|name| folder.join(name)))
            .find(|path| path.is_file())
    });
    let Some(path) = found else { panic!("this test needs a browser: `apt-get install chromium`") };
    let mut command = Command::new(path);
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=4000",
    ]);
    command
}

fn made(world: &Path, more: &str) -> PathBuf {
    std::fs::write(world.join("events.ndjson"), log(2_000)).unwrap();
    let mut command = dotctl();
    command.current_dir(world).args(words(&format!("plan --html page.html {more}")));
    Ran::of(command.output().unwrap()).exits(0);
    world.join("page.html")
}

/// The page as the browser has it after its scripts.
fn dom(page: &Path, profile: &Path) -> String {
    let output = browser()
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--window-size=500,900", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_agrees_with_the_plan_and_its_sliders_move_it() {
    let world = folder();
    let designs = [
        "--objects 1000 --entries 800 --value-bytes 200 --growth-per-day 500 --trace events.ndjson",
        "--objects 3 --entries 9000000 --writes-per-second 900 --reads-per-second 40 --profile performance",
        "--entries 0 --writes-per-second 0",
    ];
    for design in designs {
        let page = made(world.path(), &format!("{design} --force"));
        // Moves a slider as a hand would, and notes what the page says before and after.
        let probe = "<script>const before = document.getElementById('cheapest').textContent + document.getElementById('bill').textContent;\
            const input = document.querySelector('input[name=writes_per_second]'); input.value = 700;\
            input.dispatchEvent(new Event('input'));\
            const after = document.getElementById('cheapest').textContent + document.getElementById('bill').textContent;\
            document.getElementById('reset').click();\
            const back = document.getElementById('cheapest').textContent + document.getElementById('bill').textContent;\
            document.body.dataset.moved = String(before !== after && before === back);\
            document.body.dataset.wide = String(document.documentElement.scrollWidth > innerWidth);\
            const lost = () => document.getElementById('recovery').textContent;\
            const before_lost = lost(); input.value = 1000; input.dispatchEvent(new Event('input'));\
            document.body.dataset.lost = String(before_lost !== lost()); document.getElementById('reset').click();\
            document.body.dataset.window = String(document.getElementById('limits').textContent.includes('restore-window'));\
            const box = one => one.getBoundingClientRect();\
            const texts = [...document.querySelectorAll('svg text')];\
            document.body.dataset.clipped = texts.filter(one => box(one).right > box(one.closest('svg')).right + 1 || box(one).left < box(one.closest('svg')).left - 1).map(one => one.textContent);\
            document.body.dataset.covered = texts.filter(one => [...one.closest('svg').querySelectorAll('circle')].some(dot => box(dot).left < box(one).right - 5 && box(dot).right > box(one).left && box(dot).top < box(one).bottom && box(dot).bottom > box(one).top)).map(one => one.textContent);\
            document.body.dataset.charts = document.querySelectorAll('svg').length;</script></body>";
        let text = std::fs::read_to_string(&page).unwrap().replace("</body>", probe);
        std::fs::write(&page, text).unwrap();
        let shown = dom(&page, &world.path().join("profile"));
        let body = &shown[shown.find("<body").expect("a body")..];
        let body = &body[..body.find('>').unwrap()];
        assert!(body.contains("data-agrees=\"true\""), "{design}: {body}");
        assert!(body.contains("data-moved=\"true\""), "{design}: {body}");
        assert!(body.contains("data-wide=\"false\""), "{design}: {body}");
        assert!(body.contains("data-lost=\"true\""), "{design}: {body}");
        assert!(body.contains("data-window=\"true\""), "{design}: {body}");
        assert!(body.contains("data-clipped=\"\""), "{design}: {body}");
        assert!(body.contains("data-covered=\"\""), "{design}: {body}");
        let charts = if design.contains("trace") { 3 } else { 2 };
        assert!(body.contains(&format!("data-charts=\"{charts}\"")), "{design}: {body}");
    }
}

#[test]
fn the_page_is_complete_in_itself() {
    let world = folder();
    let page = made(world.path(), "--objects 10 --growth-per-day 100");
    let text = std::fs::read_to_string(&page).unwrap();
    for word in ["src=", "href=", "@import", "url(", "fetch(", "<link"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("default-src 'none'") && text.contains("name=\"viewport\""));
    let picture = world.path().join("page.png");
    let output = browser()
        .arg(format!("--user-data-dir={}", world.path().join("profile").display()))
        .args(["--window-size=500,2400", &format!("--screenshot={}", picture.display())])
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    // A blank page of that size is some 10 kB.
    let bytes = std::fs::metadata(&picture).unwrap_or_else(|error| panic!("{error}: {output:?}")).len();
    assert!(bytes > 40_000, "{bytes}");
}

#[test]
fn a_page_that_exists_is_kept() {
    let world = folder();
    let page = made(world.path(), "");
    std::fs::write(&page, "mine").unwrap();
    run_in(world.path(), &words("plan --html page.html")).refuses(3).mentions("--force");
    run_in(world.path(), &words("plan --html page.html --force --dry-run")).exits(0);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "mine");
    run_in(world.path(), &words("plan --html page.html --force")).exits(0);
    assert!(std::fs::read_to_string(&page).unwrap().starts_with("<!DOCTYPE html>"));
    run_in(world.path(), &words("plan --html nowhere/page.html")).refuses(3);
    // What is named on the command line ends no script.
    std::fs::write(world.path().join("<b>.ndjson"), log(10)).unwrap();
    run_in(world.path(), &words("plan --trace <b>.ndjson --html other.html")).exits(0);
    assert!(!std::fs::read_to_string(world.path().join("other.html")).unwrap().contains("<b>"));
}
