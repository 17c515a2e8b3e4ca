//! One user, with what can be done about them.

use api::{ChangedUser, User, UserChange, UserState};
use leptos::prelude::*;

use super::Roles;
use crate::{
    me::Me,
    parts::{Confirm, Outcome, Secret, When},
    remote::Doing,
    server::people,
    words,
};

/// A user's line.
#[component]
pub(super) fn Row(user: User, again: Callback<()>) -> impl IntoView {
    let me = expect_context::<Me>();
    let User { id, name, roles, state, must_change_password, created } = user;
    let (doing, said) = (Doing::new(), RwSignal::new(None::<&'static str>));
    let password = RwSignal::new(None::<String>);
    let chosen = Roles::of(&roles);
    let active = state == UserState::Active;
    let change = move |change: UserChange| {
        let keeps = change.reset_password;
        doing.run(async move { people::change_user(id, &change).await }, move |changed: ChangedUser| {
            password.set(changed.password);
            // A password that is shown once must not go away with the line that shows it.
            if !keeps {
                again.run(());
            }
        });
    };
    let set_roles = move |_| change(UserChange { roles: Some(chosen.chosen()), ..UserChange::default() });
    let other = if active { UserState::Disabled } else { UserState::Active };
    let switch = move |()| change(UserChange { state: Some(other), ..UserChange::default() });
    let reset = move |()| change(UserChange { reset_password: true, ..UserChange::default() });
    let end = move |()| {
        doing.run(people::end_user_sessions(id), move |()| said.set(Some("All sessions of this user have ended.")));
    };
    let delete = move |()| doing.run(people::delete_user(id), move |()| again.run(()));
    let roles: Vec<_> = roles.into_iter().map(words::role).collect();
    let myself = move || me.identity().and_then(|identity| identity.id) == Some(id);
    let label = name.clone();
    view! {
        <li data-user=name.clone()>
            <span class="what">
                <b>{name.clone()}<Show when=myself>" · you"</Show></b>
                {roles.join(", ")}
                {(!active).then_some(" · disabled")}
                {must_change_password.then_some(" · has to change the password")}
            </span>
            <span class="kind">"since " <When time=created/></span>
            <details class="add">
                <summary>"Change"<span class="sr">" " {label}</span></summary>
                {chosen.view(&format!("user-{id}"))}
                <p class="buttons"><button type="button" class="small" on:click=set_roles>"Set roles"</button></p>
                <p class="buttons">
                    {if active {
                        view! { <Confirm label="Disable" question=format!("Disable {name}? All sessions end.") act=switch/> }.into_any()
                    } else {
                        view! { <Confirm label="Enable" question=format!("Let {name} in again?") act=switch/> }.into_any()
                    }}
                    <Confirm label="New password" question=format!("Make a new password for {name}? All sessions end.") act=reset/>
                    <Confirm label="End sessions" question=format!("End all sessions of {name}?") act=end/>
                    <Confirm label="Delete" question=format!("Delete {name} for good?") act=delete/>
                </p>
                <p role="status" class="hint">{move || said.get()}</p>
                {move || password.get().map(|value| view! {
                    <Secret title="The new password" value hint="It has to be changed at the next sign-in."/>
                })}
                <Outcome doing/>
            </details>
        </li>
    }
}
