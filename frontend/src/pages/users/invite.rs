//! Invitations: made, shown once, withdrawn.

use api::{Invitation, InvitationRequest, NewInvitation, Role};
use leptos::prelude::*;

use super::Roles;
use crate::{
    browser,
    parts::{Outcome, Secret, When},
    remote::{Doing, fetched},
    server::people,
    words,
};

/// Making an invitation, and those that are open.
#[component]
pub(super) fn Invitations() -> impl IntoView {
    let open = fetched(people::invitations);
    let roles = Roles::of(&[Role::DeviceOwner]);
    let made = RwSignal::new(None::<NewInvitation>);
    let doing = Doing::new();
    let submit = move || {
        let wish = InvitationRequest { roles: roles.chosen() };
        doing.run(async move { people::invite(&wish).await }, move |new| {
            made.set(Some(new));
            open.again();
        });
    };
    let withdraw = move |id: u64| doing.run(people::withdraw(id), move |()| open.again());
    let row = move |invitation: Invitation| {
        let Invitation { id, roles, by, expires, .. } = invitation;
        let roles: Vec<_> = roles.into_iter().map(words::role).collect();
        view! {
            <li>
                <span class="what"><b>{roles.join(", ")}</b>"invited by " {by}</span>
                <span class="kind">"until " <When time=expires/></span>
                <button type="button" class="small" on:click=move |_| withdraw(id)>"Withdraw"</button>
            </li>
        }
    };
    view! {
        <section class="card" id="invitations">
            <h2>"Invitations"</h2>
            {open.view("Fetching invitations…", "Invitations cannot be shown", move |page| match page.items.is_empty() {
                true => view! { <p class="hint">"None is open. Whoever has an invitation's link can register once, within 72 hours."</p> }.into_any(),
                false => view! { <ul class="plain">{page.items.into_iter().map(row).collect_view()}</ul> }.into_any(),
            })}
            {move || made.get().map(|made| view! {
                <Secret title="The invitation's link" value=format!("{}{}", browser::origin(), made.path)
                    hint="Send it to one person, by a way that only they read."/>
            })}
            <details class="add">
                <summary>"Invite somebody"</summary>
                <form class="form" on:submit=move |event| { event.prevent_default(); submit(); }>
                    {roles.view("invite")}
                    <p class="buttons"><button type="submit" id="invite" disabled=move || doing.busy()>"Make an invitation"</button></p>
                </form>
            </details>
            <Outcome doing/>
        </section>
    }
}
