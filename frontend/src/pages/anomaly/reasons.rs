//! Why a finding is one: metric by metric, what was seen, what was expected, and how rare that is.
//!
//! It shows what the payload says, and adds no judgement.

use ledger::entry::Reason;
use leptos::prelude::*;

use crate::{format, words};

/// The table of reasons; nothing if the payload names none.
#[component]
pub(super) fn Reasons(reasons: Vec<Reason>) -> impl IntoView {
    (!reasons.is_empty()).then(|| {
        let rows = reasons.into_iter().map(|reason| {
            let number = |decimal: &str| decimal.parse::<f64>().ok();
            // Payloads of before these members do not say; a dash is no claim.
            let dash = || "–".to_owned();
            let odds = match reason.probability.as_ref().and_then(|p| number(p.as_str())) {
                _ if words::is_limit(&reason.feature) => "a limit set by people".to_owned(),
                odds => odds.map_or_else(dash, format::odds),
            };
            let share = reason.contribution.as_ref().and_then(|c| number(c.as_str()));
            view! {
                <tr>
                    <th scope="row" title=reason.metric.clone()>
                        {words::metric(&reason.metric, &reason.unit)}
                        <small data-feature=reason.feature.clone()>{words::feature(&reason.feature)}</small>
                    </th>
                    <td>{value(&reason)}</td>
                    <td>{expected(&reason)}</td>
                    <td>{odds}</td>
                    <td>{share.map_or_else(dash, format::percent)}</td>
                </tr>
            }
        });
        view! {
            <div class="scroll">
                <table>
                    <caption>"Reasons, strongest first"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Metric"</th>
                            <th scope="col">"Value"</th>
                            <th scope="col">"Expected"</th>
                            <th scope="col" title="How often an ordinary reading of this device deviates as much">"How rare"</th>
                            <th scope="col" title="This reason's part in the finding">"Share"</th>
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
        }
    })
}

fn value(reason: &Reason) -> String {
    match reason.value.as_str().parse() {
        Ok(seconds) if reason.feature == "no_data" => format!("silent for {}", format::duration(seconds)),
        Ok(value) => format::with_unit(&format::value(value), &reason.unit),
        Err(_) => reason.value.as_str().to_owned(),
    }
}

/// What was expected: of a limit on one side that limit, else the middle and both ends.
fn expected(reason: &Reason) -> String {
    let ends = (reason.expected_low.as_str().parse::<f64>(), reason.expected_high.as_str().parse::<f64>());
    let (Ok(low), Ok(high)) = ends else {
        return format!("{} to {}", reason.expected_low.as_str(), reason.expected_high.as_str());
    };
    let unit = |number: String| format::with_unit(&number, &reason.unit);
    match reason.feature.as_str() {
        "above" => return format!("at most {}", unit(format::value(high))),
        "below" => return format!("at least {}", unit(format::value(low))),
        "no_data" => return format!("something every {}", format::duration(high)),
        _ => {}
    }
    let fine = |number: f64| format::within(number, high - low);
    let range = format!("{} to {}", fine(low), unit(fine(high)));
    let middle = reason.expected.as_ref().and_then(|middle| middle.as_str().parse::<f64>().ok());
    // Of a limit the middle says nothing: everything between the ends is in order.
    match middle.filter(|_| !words::is_limit(&reason.feature) && reason.feature != "plausible_range") {
        Some(middle) => format!("{} ({range})", fine(middle)),
        None => range,
    }
}
