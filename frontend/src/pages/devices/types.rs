//! Types of devices, to read. They are changed over the interface (`PUT /api/v1/device-types/{name}`).

use api::{Bounds, DeviceType, TypeMetric};
use leptos::prelude::*;

use crate::{format, remote::fetched, server::devices, words};

/// All types.
#[component]
pub(crate) fn TypesPage() -> impl IntoView {
    let types = fetched(devices::types);
    view! {
        <div class="title-row">
            <h1>"Device types"</h1>
            <p class="says">"What each measures, what is possible, and what is safe. "<a href="/api/docs">"An administrator changes them over the API"</a></p>
        </div>
        {types.view("Fetching types…", "Types cannot be shown", |types| types.items.into_iter().map(card).collect_view())}
    }
}

fn card(kind: DeviceType) -> impl IntoView {
    let DeviceType { name, changed, definition, .. } = kind;
    let offline = format::duration(definition.offline_after_seconds as f64);
    let kept = definition.retention.raw_seconds.map_or_else(
        || "readings kept for ever".to_owned(),
        |seconds| format!("readings kept for {}", format::duration(seconds as f64)),
    );
    let changed = changed.is_some().then_some(" · changed");
    let metrics = definition.metrics;
    view! {
        <section class="card">
            <h2>{name}<small>"offline after " {offline} ", " {kept}{changed}</small></h2>
            <p class="hint">{definition.title}</p>
            {(!metrics.is_empty()).then(|| view! {
                <div class="scroll"><table>
                    <thead><tr><th scope="col">"Metric"</th><th scope="col">"Unit"</th><th scope="col">"Possible"</th><th scope="col">"Safe"</th></tr></thead>
                    <tbody>{metrics.into_iter().map(row).collect_view()}</tbody>
                </table></div>
            })}
        </section>
    }
}

fn row(metric: TypeMetric) -> impl IntoView {
    let TypeMetric { metric, unit, possible, safe, .. } = metric;
    view! {
        <tr>
            <th scope="row">{words::metric(&metric, &unit)} <small><code>{metric.clone()}</code></small></th>
            <td>{unit}</td><td>{possible.map(between)}</td><td>{safe.map(between)}</td>
        </tr>
    }
}

/// Bounds in words.
fn between(bounds: Bounds) -> String {
    match (bounds.low.map(format::value), bounds.high.map(format::value)) {
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("from {low}"),
        (None, Some(high)) => format!("up to {high}"),
        (None, None) => "anything".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_with_one_end_or_two() {
        assert_eq!(between(Bounds { low: Some(0.0), high: Some(100.0) }), "0 to 100");
        assert_eq!(between(Bounds { low: Some(-40.5), high: None }), "from -40.5");
        assert_eq!(between(Bounds { low: None, high: Some(3.0) }), "up to 3");
    }
}
