//! Tokens for one's programs.

use api::{NewToken, Scope, Token, TokenRequest};
use leptos::prelude::*;

use crate::{
    parts::{Check, Confirm, Field, Outcome, Secret, When},
    remote::{Doing, Fetched, fetched},
    server::people,
};

/// What a token may be good for.
const SCOPES: [(Scope, &str, &str); 3] = [
    (Scope::Read, "read", "read what you may read"),
    (Scope::Send, "send", "send readings of your devices"),
    (Scope::Manage, "manage", "change what you may change, but no users and no tokens"),
];

/// One's tokens: list, make, revoke.
#[component]
pub(super) fn Tokens() -> impl IntoView {
    let tokens = fetched(people::tokens);
    let made = RwSignal::new(None::<NewToken>);
    let doing = Doing::new();
    let revoke = move |id: u64| doing.run(people::revoke_token(id), move |()| tokens.again());
    let row = move |token: Token| {
        let Token { id, prefix, name, scopes, expires, last_used, revoked, .. } = token;
        let scopes: Vec<_> =
            SCOPES.iter().filter(|(scope, ..)| scopes.contains(scope)).map(|(_, name, _)| *name).collect();
        let holds = revoked.is_none();
        view! {
            <li>
                <span class="what"><b>{name.clone()}</b><code>{prefix}"…"</code> " · " {scopes.join(", ")}</span>
                <span class="kind">
                    {match revoked {
                        Some(time) => view! { "revoked " <When time/> }.into_any(),
                        None => view! { "until " <When time=expires/> }.into_any(),
                    }}
                    {match last_used {
                        Some(time) => view! { ", last used " <When time/> }.into_any(),
                        None => ", never used".into_any(),
                    }}
                </span>
                {holds.then(|| view! { <Confirm label="Revoke" question=format!("Revoke {name}?") act=move |()| revoke(id)/> })}
            </li>
        }
    };
    view! {
        <section class="card" id="tokens">
            <h2>"API tokens"</h2>
            {tokens.view("Fetching tokens…", "Tokens cannot be shown", move |list| match list.is_empty() {
                true => view! { <p class="hint">"None yet. A token lets a program do a part of what you may do."</p> }.into_any(),
                false => view! { <ul class="plain">{list.into_iter().map(row).collect_view()}</ul> }.into_any(),
            })}
            <Outcome doing/>
            {move || made.get().map(|made| view! {
                <Secret title=format!("The token {}", made.token.name) value=made.secret hint="Programs send it as Authorization: Bearer …"/>
            })}
            <Make tokens made/>
        </section>
    }
}

#[component]
fn Make(tokens: Fetched<Vec<Token>>, made: RwSignal<Option<NewToken>>) -> impl IntoView {
    let (name, days) = (RwSignal::new(String::new()), RwSignal::new("90".to_owned()));
    let chosen = SCOPES.map(|(scope, ..)| (scope, RwSignal::new(scope == Scope::Read)));
    let doing = Doing::new();
    let wrong = RwSignal::new(false);
    let submit = move || {
        let days = days.read_untracked().trim().parse().ok();
        wrong.set(days.is_none());
        if days.is_none() {
            return;
        }
        let scopes = chosen.iter().filter(|(_, on)| on.get_untracked()).map(|(scope, _)| *scope).collect();
        let wish = TokenRequest { name: name.get_untracked(), scopes, expires_days: days };
        doing.run(async move { people::make_token(&wish).await }, move |new| {
            made.set(Some(new));
            name.set(String::new());
            tokens.again();
        });
    };
    let checks = SCOPES.into_iter().zip(chosen).map(|((_, scope, words), (_, value))| {
        view! { <Check id=format!("scope-{scope}") label=format!("{scope}: {words}") value/> }
    });
    view! {
        <details class="add">
            <summary>"Make a token"</summary>
            <form class="form" on:submit=move |event| { event.prevent_default(); submit(); }>
                <Field id="token-name" label="What it is for" value=name/>
                <fieldset><legend>"Good for"</legend>{checks.collect_view()}</fieldset>
                <Field id="token-days" label="Days until it ends" value=days kind="number" hint="1 to 365"/>
                <Show when=move || wrong.get()><p class="problem" role="alert">"The days are not a number."</p></Show>
                <Outcome doing/>
                <p class="buttons"><button type="submit" id="make-token" disabled=move || doing.busy()>"Make"</button></p>
            </form>
        </details>
    }
}
