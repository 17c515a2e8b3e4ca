//! Where one has signed in.

use api::Session;
use leptos::prelude::*;

use crate::{
    parts::{Outcome, When},
    remote::{Doing, fetched},
    server::people,
};

/// One's sessions, with the way to end them.
#[component]
pub(super) fn Sessions() -> impl IntoView {
    let sessions = fetched(people::sessions);
    let doing = Doing::new();
    let end = move |id: u64| doing.run(people::end_session(id), move |()| sessions.again());
    let row = move |session: Session| {
        let Session { id, created, last_seen, from, user_agent, current, .. } = session;
        view! {
            <li data-current=current.to_string()>
                <span class="what"><b>{from}{current.then_some(" · this one")}</b>{user_agent}</span>
                <span class="kind">"since " <When time=created/> ", last used " <When time=last_seen/></span>
                {(!current).then(|| view! { <button type="button" class="small" on:click=move |_| end(id)>"End"</button> })}
            </li>
        }
    };
    view! {
        <section class="card" id="sessions">
            <h2>"Sessions"</h2>
            {sessions.view("Fetching sessions…", "Sessions cannot be shown", move |list| {
                let others = list.iter().any(|session| !session.current);
                view! {
                    <ul class="plain">{list.into_iter().map(row).collect_view()}</ul>
                    {others.then(|| view! {
                        <p class="buttons"><button type="button" class="small"
                            on:click=move |_| doing.run(people::end_other_sessions(), move |()| sessions.again())
                        >"End all others"</button></p>
                    })}
                }
            })}
            <Outcome doing/>
        </section>
    }
}
