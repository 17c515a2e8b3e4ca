//! Invitations, for administrators.

use api::{Invitation, InvitationRequest, NewInvitation, Page};
use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{ListQuery, Site, number, page, paged, shape};
use crate::{
    access::Pass,
    http::json::Sent,
    problem::{Absent, Asked, Clashing, Fault, Guarded, Parameters, Stored},
};

/// Where the dashboard takes an invitation up.
const PAGE: &str = "/ui/register";

/// List invitations that nobody has taken up
#[utoipa::path(
    get, path = "/api/v1/invitations", tag = "accounts", params(ListQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Page<Invitation>, description = "Newest first"))
)]
pub(crate) async fn list(
    State(site): State<Site>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page<Invitation>>, Fault> {
    let (before, limit) = page(query)?;
    let invitations = site.accounts.invitations(before, limit).await?.into_iter().map(shape::invitation).collect();
    Ok(Json(paged(invitations, limit, |invitation: &Invitation| invitation.id)))
}

/// Invite somebody
///
/// Whoever has the secret can register once, within 72 hours, with the roles that are chosen here.
#[utoipa::path(
    post, path = "/api/v1/invitations", tag = "accounts", request_body = InvitationRequest,
    responses(Guarded, Asked, Clashing, Stored, (status = 201, body = NewInvitation, description = "Made"))
)]
pub(crate) async fn create(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Sent(InvitationRequest { roles }): Sent<InvitationRequest>,
) -> Result<Response, Fault> {
    let made = site.accounts.invite(&pass, shape::roles_in(roles)).await?;
    let path = format!("{PAGE}#{}", made.secret);
    let invitation = NewInvitation { secret: made.secret, path, invitation: shape::invitation(made.kept) };
    Ok((StatusCode::CREATED, Json(invitation)).into_response())
}

/// Withdraw an invitation
#[utoipa::path(
    delete, path = "/api/v1/invitations/{id}", tag = "accounts",
    params(("id" = u64, Path, description = "The invitation's number")),
    responses(Guarded, Parameters, Absent, Stored, (status = 204, description = "Withdrawn"))
)]
pub(crate) async fn withdraw(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    site.accounts.withdraw(&pass, number(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
