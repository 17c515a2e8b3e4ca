//! Registering, by an invitation's link or where it is open.

use api::{Registration, SignIn};
use leptos::prelude::*;

use crate::{
    browser,
    live::Remote,
    me::Me,
    parts::{Field, Loading, Notice, Outcome},
    remote::Doing,
    server::people,
};

/// The form. The invitation is read from behind `#`, and taken out of the address bar.
#[component]
pub(crate) fn RegisterPage() -> impl IntoView {
    let me = expect_context::<Me>();
    let invitation = StoredValue::new(secret(&browser::take_fragment()).map(str::to_owned));
    let invited = invitation.with_value(Option::is_some);
    let known = Memo::new(move |_| match me.known() {
        Remote::Loading => None,
        Remote::Failed(_) => Some(false),
        Remote::Ready(identity) => Some(identity.open_registration),
    });
    view! {
        <div class="gate">
            <h1>"Register"</h1>
            {move || match (invited, known.get()) {
                (false, None) => view! { <Loading what="Asking whether registration is open…"/> }.into_any(),
                (false, Some(false)) => view! {
                    <Notice kind="note" title="An invitation is needed">
                        <p>"Open the link that an administrator has sent to you. It holds for 72 hours, and once; if it has been opened here before, open it again from where it was sent."</p>
                    </Notice>
                }
                .into_any(),
                _ => view! { <Form invitation=invitation.get_value()/> }.into_any(),
            }}
        </div>
    }
}

/// The secret in a link's fragment.
fn secret(fragment: &str) -> Option<&str> {
    Some(fragment.strip_prefix("invitation=").unwrap_or(fragment)).filter(|secret| !secret.is_empty())
}

#[component]
fn Form(invitation: Option<String>) -> impl IntoView {
    let [name, password, again] = [0; 3].map(|_| RwSignal::new(String::new()));
    let invited = invitation.is_some();
    let invitation = StoredValue::new(invitation);
    let doing = Doing::new();
    let differ = RwSignal::new(false);
    let submit = move || {
        differ.set(*password.read_untracked() != *again.read_untracked());
        if differ.get_untracked() {
            return;
        }
        let (name, password) = (name.get_untracked(), password.get_untracked());
        let who = Registration { name, password, invitation: invitation.get_value() };
        let act = async move {
            let user = people::register(&who).await?;
            people::sign_in(&SignIn { name: user.name, password: who.password }).await
        };
        doing.run(act, |_| browser::load("/ui/"));
    };
    view! {
        <p class="says">
            {if invited { "You are invited. The invitation decides what you may do." } else { "You will have devices of your own, and see what is theirs." }}
        </p>
        <form class="card form" on:submit=move |event| { event.prevent_default(); submit(); }>
            <Field id="name" label="Name" value=name autocomplete="username" hint="a–z, 0–9 and . _ - + @; at most 64"/>
            <Field id="password" label="Password" value=password kind="password" autocomplete="new-password" hint="12 characters or more; a few words are easy to remember"/>
            <Field id="password-again" label="Password again" value=again kind="password" autocomplete="new-password"/>
            <Show when=move || differ.get()><p class="problem" role="alert">"The two passwords are not the same."</p></Show>
            <Outcome doing/>
            <p class="buttons">
                <button type="submit" id="register" class="primary" disabled=move || doing.busy()>
                    {move || if doing.busy() { "Registering…" } else { "Register" }}
                </button>
            </p>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::secret;

    #[test]
    fn the_secret_is_what_stands_behind_the_hash() {
        assert_eq!(secret("ali_x"), Some("ali_x"));
        assert_eq!(secret("invitation=ali_x"), Some("ali_x"));
        assert_eq!(secret(""), None);
        assert_eq!(secret("invitation="), None);
    }
}
