//! Changing one's password.

use api::PasswordChange;
use leptos::prelude::*;

use crate::{
    browser,
    me::Me,
    parts::{Field, Outcome},
    remote::Doing,
    server::people,
};

/// The whole page for who has signed in with a password that was given.
#[component]
pub(crate) fn MustChangePage() -> impl IntoView {
    let me = expect_context::<Me>();
    let name = me.identity().and_then(|identity| identity.name).unwrap_or_default();
    let doing = Doing::new();
    view! {
        <div class="gate">
            <h1>"Choose a password"</h1>
            <p class="says">"You have signed in as " <b>{name}</b> " with a password that was given to you. It has to be changed before anything else."</p>
            <PasswordForm done=move |()| browser::reload()/>
            <p><button type="button" class="link" on:click=move |_| doing.run(people::sign_out(), |()| browser::load("/ui/"))>"Sign out"</button></p>
            <Outcome doing/>
        </div>
    }
}

/// The old password, and the new one twice.
#[component]
pub(crate) fn PasswordForm(
    /// What stands above the fields.
    #[prop(optional)]
    title: &'static str,
    #[prop(into)] done: Callback<()>,
) -> impl IntoView {
    let [current, new, again] = [0; 3].map(|_| RwSignal::new(String::new()));
    let doing = Doing::new();
    let differ = RwSignal::new(false);
    let submit = move || {
        differ.set(*new.read_untracked() != *again.read_untracked());
        if differ.get_untracked() {
            return;
        }
        let change = PasswordChange { current: current.get_untracked(), new: new.get_untracked() };
        let act = async move { people::change_password(&change).await };
        doing.run(act, move |()| {
            for field in [current, new, again] {
                field.set(String::new());
            }
            done.run(());
        });
    };
    view! {
        <form class="card form" on:submit=move |event| { event.prevent_default(); submit(); }>
            {(!title.is_empty()).then(|| view! { <h2>{title}</h2> })}
            <Field id="current-password" label="Password up to now" value=current kind="password" autocomplete="current-password"/>
            <Field id="new-password" label="New password" value=new kind="password" autocomplete="new-password" hint="12 characters or more; a few words are easy to remember"/>
            <Field id="new-password-again" label="New password again" value=again kind="password" autocomplete="new-password"/>
            <Show when=move || differ.get()><p class="problem" role="alert">"The two new passwords are not the same."</p></Show>
            <Outcome doing/>
            <p class="buttons">
                <button type="submit" id="change-password" class="primary" disabled=move || doing.busy()>
                    {move || if doing.busy() { "Changing…" } else { "Change password" }}
                </button>
            </p>
        </form>
    }
}
