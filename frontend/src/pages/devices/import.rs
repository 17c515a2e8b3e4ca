//! Registering many devices from a table.

use api::DeviceImport;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    browser,
    parts::{Check, Download, Outcome},
    remote::Doing,
    server::devices,
};

/// What became of a table.
#[derive(Clone)]
enum Imported {
    Lines(DeviceImport),
    Keys(Vec<u8>),
}

/// The table, pasted or from a file, and what became of each line.
#[component]
pub(crate) fn ImportPage() -> impl IntoView {
    let (table, with_keys) = (RwSignal::new(String::new()), RwSignal::new(false));
    let (doing, done) = (Doing::new(), RwSignal::new(None::<Imported>));
    let submit = move || {
        let (table, with_keys) = (table.get_untracked(), with_keys.get_untracked());
        let act = async move {
            match with_keys {
                true => devices::import_with_keys(table).await.map(Imported::Keys),
                false => devices::import(table).await.map(Imported::Lines),
            }
        };
        done.set(None);
        doing.run(act, move |imported| done.set(Some(imported)));
    };
    let read = move |event: web_sys::Event| {
        spawn_local(async move {
            if let Some(text) = browser::chosen_file(&event).await {
                table.try_set(text);
            }
        });
    };
    view! {
        <div class="title-row">
            <h1>"Import devices"</h1>
            <p class="says">"Each line for itself: those that can be are registered, the others are told why not."</p>
        </div>
        <form class="card form" on:submit=move |event| { event.prevent_default(); submit(); }>
            <div class="field">
                <label for="file">"A CSV file"</label>
                <input type="file" id="file" accept=".csv,text/csv" on:change=read/>
            </div>
            <div class="field">
                <label for="table">"Or the table itself"</label>
                <textarea id="table" rows="8" spellcheck="false" autocomplete="off" aria-describedby="table-hint" bind:value=table
                    placeholder="name,type,location,tags\npump-7,infusion-pump,Ward 3,floor=2;bed=14"></textarea>
                <p class="hint" id="table-hint">"The first line names the columns: name, and any of type, owner, location, firmware, tags, addresses, keyless, certificate, patient, disabled. At most 10,000 lines."</p>
            </div>
            <Check id="with-keys" label="Make a key for each, and give me the table of keys" value=with_keys/>
            <Outcome doing/>
            <p class="buttons">
                <button type="submit" id="import" class="primary" disabled=move || doing.busy()>
                    {move || if doing.busy() { "Importing…" } else { "Import" }}
                </button>
            </p>
        </form>
        {move || done.get().map(|done| match done {
            Imported::Lines(import) => view! { <Lines import/> }.into_any(),
            Imported::Keys(bytes) => view! {
                <section class="notice" data-kind="note" role="status">
                    <p class="title">"Done. The table of keys is shown this once"</p>
                    <p>"It has a line for each device, with its key or why it was refused. Save it now: nobody can show the keys again."</p>
                    <p class="buttons"><Download name="device-keys.csv" bytes label="Save the table of keys"/></p>
                </section>
            }
            .into_any(),
        })}
    }
}

#[component]
fn Lines(import: DeviceImport) -> impl IntoView {
    let DeviceImport { registered, refused, results } = import;
    let refusals = results.into_iter().filter_map(|line| Some((line.line, line.name, line.problem?)));
    let rows = refusals.map(|(line, name, problem)| {
        view! { <tr><th scope="row">{line}</th><td>{name}</td><td class="problem">{problem}</td></tr> }
    });
    view! {
        <section class="card" id="imported" role="status">
            <h2>{format!("{registered} registered, {refused} refused")}</h2>
            {(refused > 0).then(|| view! {
                <div class="scroll"><table>
                    <thead><tr><th scope="col">"Line"</th><th scope="col">"Name"</th><th scope="col">"Why it was refused"</th></tr></thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table></div>
            })}
            <p class="buttons"><a class="button" href="/ui/devices">"To the devices"</a></p>
        </section>
    }
}
