//! The audit log: who did what.

use api::{AuditRecord, Page};
use leptos::prelude::*;

use crate::{
    parts::{Field, Outcome, When},
    remote::{Doing, fetched},
    server::people,
};

/// The log, newest first, with filters and the whole of it as a file.
#[component]
pub(crate) fn AuditPage() -> impl IntoView {
    let (who, what) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let filter = RwSignal::new((String::new(), String::new()));
    let first = fetched(move || {
        let (who, what) = filter.get();
        async move { people::audit(&who, &what, None).await }
    });
    let more = RwSignal::new(None::<Page<AuditRecord>>);
    let doing = Doing::new();
    let apply = move || {
        more.set(None);
        filter.set((who.get_untracked(), what.get_untracked()));
        first.again();
    };
    let cursor = move || match more.get() {
        Some(page) => page.next_cursor,
        None => first.ready().and_then(|page| page.next_cursor),
    };
    let load = move |_| {
        let ((who, what), from) = (filter.get_untracked(), untrack(cursor));
        doing.run(async move { people::audit(&who, &what, from.as_deref()).await }, move |page| {
            more.update(|known| {
                let known = known.get_or_insert(Page { items: Vec::new(), next_cursor: None });
                known.items.extend(page.items);
                known.next_cursor = page.next_cursor;
            });
        });
    };
    let older = move || more.get().into_iter().flat_map(|page| page.items).map(row).collect_view();
    view! {
        <div class="title-row">
            <h1>"Audit log"</h1>
            <p class="says">"Who did what. Each record is chained to the one before, and the log's entries fix the chain."</p>
        </div>
        <form class="controls filters" on:submit=move |event| { event.prevent_default(); apply(); }>
            <Field id="who" label="Who" value=who hint="Such as user ada, or device pump-7"/>
            <Field id="what" label="What begins with" value=what hint="Such as session. or key.create"/>
            <button type="submit">"Filter"</button>
            <a class="button" href="/api/v1/audit/export" download="audit.ndjson">"Download all"</a>
        </form>
        {first.view("Fetching records…", "The audit log cannot be shown", move |page| match page.items.is_empty() {
            true => view! { <section class="empty"><h2>"No records"</h2><p>"None fits these filters."</p></section> }.into_any(),
            false => view! {
                <div class="columns audit" aria-hidden="true">
                    <span>"Time"</span><span>"Who"</span><span>"What"</span><span>"Object"</span><span>"Result"</span><span>"From"</span>
                </div>
                <ol class="rows audit" id="audit" aria-label="Records, newest first">
                    {page.items.into_iter().map(row).collect_view()} {older}
                </ol>
            }
            .into_any(),
        })}
        <Show when=move || cursor().is_some()>
            <p class="more"><button type="button" on:click=load>"Older"</button></p>
        </Show>
        <Outcome doing/>
    }
}

fn row(record: AuditRecord) -> impl IntoView {
    let AuditRecord { at, who, from, what, object, result, .. } = record;
    let name = what.clone();
    view! {
        <li data-what=name>
            <span class="when"><When time=at/></span>
            <span class="who">{who}</span>
            <span class="deed"><code>{what}</code></span>
            <span class="what">{object}</span>
            <span class="kind">{result}</span>
            <span class="kind">{from}</span>
        </li>
    }
}
