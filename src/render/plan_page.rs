//! A plan as one page, complete in itself.

use dotctl_engine::{Error, Result};

use crate::commands::PlanReport;

/// The page, with places for its style, its script and the plan.
const PAGE: &str = include_str!("plan_page/page.html");
const STYLE: &str = include_str!("plan_page/style.css");
const SCRIPT: &str = include_str!("plan_page/script.js");

/// The page of `report`. What others named cannot leave its place in the script.
pub fn page(report: &PlanReport) -> Result<String> {
    let plan = serde_json::to_string(report)
        .map_err(|error| Error::malformed(format!("the plan is not JSON: {error}")))?;
    // `<` begins nothing inside a string of JSON, so it may be spelled otherwise.
    let plan = plan.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    // Each mark is alone in the page, and the plan comes last, so that nothing in it is taken for one.
    Ok(PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT).replacen("/*PLAN*/", &plan, 1))
}
