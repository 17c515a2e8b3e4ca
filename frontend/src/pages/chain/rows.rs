//! The rows of the chain feed.

use ledger::entry::Payload;
use leptos::prelude::*;

use crate::{
    chain::publications::{Content, RootCheck, Row},
    format::{self, counted, grouped},
    parts::{Copyable, When},
    route::Route,
    words,
};

/// More rows at once make a browser slow, and nobody reads them.
const MAX_SHOWN: usize = 300;

/// The list, newest first.
#[component]
pub(super) fn Rows(rows: Memo<Vec<Row>>) -> impl IntoView {
    let shown = move || rows.read().iter().take(MAX_SHOWN).cloned().collect::<Vec<_>>();
    let rest = move || rows.read().len().saturating_sub(MAX_SHOWN) as u64;
    view! {
        <p class="quiet">{move || summary(&rows.read())}</p>
        <div class="columns published" aria-hidden="true">
            <span>"Time"</span><span>"Finding"</span><span>"Type"</span><span>"Block"</span><span>"Checked"</span>
        </div>
        <ol class="rows published" aria-label="Published entries, newest first">
            <For
                each=shown
                key=|row| (row.index, row.place.block, row.root == RootCheck::Fits)
                children=|row| view! { <RowItem row/> }
            />
        </ol>
        <Show when=move || { rest() > 0 }>
            <p class="quiet">{move || format!("{} more in these blocks", counted(rest(), "entry", "entries"))}</p>
        </Show>
    }
}

fn summary(rows: &[Row]) -> String {
    let count = |holds: fn(&Row) -> bool| rows.iter().filter(|row| holds(row)).count() as u64;
    let fits = count(|row| row.root == RootCheck::Fits);
    let wrong = count(|row| row.root == RootCheck::Differs || matches!(row.content, Content::Refused(_)));
    let mut text = counted(rows.len() as u64, "published entry", "published entries");
    if fits > 0 {
        text.push_str(&format!("; anchored roots computed again from the first entry on: {} fit", grouped(fits)));
    }
    if wrong > 0 {
        text.push_str(&format!("; {} not hold", if wrong == 1 { "1 does".into() } else { format!("{wrong} do") }));
    }
    text
}

#[component]
fn RowItem(row: Row) -> impl IntoView {
    let place = row.place;
    let path = Route::Anomaly(row.index).path();
    let (checked, outcome) = checked(&row);
    let (time, what, kind) = match row.content {
        Content::Finding(payload) => {
            let kind = serde_json::to_value(payload.r#type).ok();
            let kind = kind.as_ref().and_then(|name| name.as_str()).map(words::kind).unwrap_or_default();
            let time = view! { <When time=payload.time.to_string()/> }.into_any();
            (time, view! { <Finding payload=*payload path/> }.into_any(), kind)
        }
        Content::Withheld => (().into_any(), plain(path, "Payload not published"), "anomaly".into()),
        Content::Plain(entry) => {
            let time = view! { <When time=entry.recorded().to_string()/> }.into_any();
            (time, plain(path, &format::sentence(&entry)), entry.kind().into())
        }
        Content::Unexplained(kind) => (().into_any(), plain(path, "An entry that this page cannot explain"), kind),
        Content::Refused(why) => (().into_any(), plain(path, &why), "refused".into()),
    };
    view! {
        <li data-index=row.index>
            <span class="when">{time}</span>
            <span class="what">{what}</span>
            <span class="kind">{kind}</span>
            <span class="block">
                <b><span class="narrow">"block "</span>{grouped(place.block)}</b>
                <Copyable what="Transaction" value=place.transaction.to_string()/>
            </span>
            <span class="stands"><span class="state" data-state=outcome>{checked}</span></span>
        </li>
    }
}

/// What was checked, and how it ended.
fn checked(row: &Row) -> (&'static str, &'static str) {
    match (&row.content, row.root) {
        (Content::Refused(_), _) => ("does not hold", "bad"),
        (_, RootCheck::Differs) => ("other root", "bad"),
        (_, RootCheck::Fits) => ("entry and root", "final"),
        (Content::Finding(_), RootCheck::Unknown) => ("entry", "anchored"),
        (Content::Withheld | Content::Plain(_) | Content::Unexplained(_), RootCheck::Unknown) => {
            ("nothing to check", "pending")
        }
    }
}

fn plain(path: String, text: &str) -> AnyView {
    view! { <a href=path>{text.to_owned()}</a> }.into_any()
}

#[component]
fn Finding(payload: Payload, path: String) -> impl IntoView {
    let values = payload.values.into_iter().map(|value| {
        let shown = value.value.as_str().parse().map_or_else(|_| value.value.to_string(), format::value);
        view! { <span>{value.metric} " " <b>{shown}</b> " " {value.unit}</span> }
    });
    view! {
        <b>{payload.device}</b>
        <a href=path>{payload.sentence}</a>
        <span class="readings">{values.collect_view()}</span>
    }
}
