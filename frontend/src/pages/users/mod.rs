//! Users and invitations, for those who look after the service.

mod invite;
mod row;

use api::{Page, Role, User};
use leptos::prelude::*;

use crate::{
    parts::{Check, Outcome},
    remote::{Doing, fetched},
    server::people,
    words,
};
use invite::Invitations;
use row::Row;

/// Users, newest first.
#[component]
pub(crate) fn UsersPage() -> impl IntoView {
    let first = fetched(|| people::users(None));
    let more = RwSignal::new(Page::<User> { items: Vec::new(), next_cursor: None });
    let begun = RwSignal::new(false);
    let doing = Doing::new();
    // After a change the first page is asked for anew; what came after it would be out of date.
    let again = Callback::new(move |()| {
        begun.set(false);
        more.set(Page { items: Vec::new(), next_cursor: None });
        first.again();
    });
    let cursor = move || match begun.get() {
        true => more.get().next_cursor,
        false => first.ready().and_then(|page| page.next_cursor),
    };
    let load = move |_| {
        let from = untrack(cursor);
        doing.run(async move { people::users(from.as_deref()).await }, move |page| {
            begun.set(true);
            more.update(|known| {
                known.items.extend(page.items);
                known.next_cursor = page.next_cursor;
            });
        });
    };
    let rows = move |users: Vec<User>| users.into_iter().map(|user| view! { <Row user again/> }).collect_view();
    view! {
        <div class="title-row">
            <h1>"Users"</h1>
            <p class="says">"Changes hold at once, on open connections too."</p>
        </div>
        <Invitations/>
        {first.view("Fetching users…", "Users cannot be shown", move |page| view! {
            <ul class="plain users card" id="users">{rows(page.items)} {move || rows(more.get().items)}</ul>
        })}
        <Show when=move || cursor().is_some()>
            <p class="more"><button type="button" on:click=load>"More"</button></p>
        </Show>
        <Outcome doing/>
    }
}

/// A choice of roles.
#[derive(Clone, Copy)]
struct Roles([(Role, RwSignal<bool>); 4]);

impl Roles {
    fn of(roles: &[Role]) -> Self {
        Self(words::ROLES.map(|(role, _)| (role, RwSignal::new(roles.contains(&role)))))
    }

    fn chosen(self) -> Vec<Role> {
        self.0.into_iter().filter(|(_, on)| on.get_untracked()).map(|(role, _)| role).collect()
    }

    fn view(self, id: &str) -> impl IntoView + use<> {
        let check = |((role, words), (_, value)): ((Role, &str), (Role, RwSignal<bool>))| {
            let name = words::role(role);
            view! { <Check id=format!("{id}-{}", name.replace(' ', "-")) label=format!("{name}: {words}") value/> }
        };
        let checks = words::ROLES.into_iter().zip(self.0).map(check).collect_view();
        view! { <fieldset><legend>"Roles"</legend>{checks}</fieldset> }
    }
}
