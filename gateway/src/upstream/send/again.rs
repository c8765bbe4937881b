//! The caller of a call, looked at again when the body is here, before it is repeated, and while it is streamed.

use shared::problem::Problem;

use super::Call;
use super::body;
use crate::policy::authenticate::Principal;
use crate::policy::second_look::Watch;

impl Call<'_> {
    /// Whether the caller is still whom this call speaks of.
    pub(in crate::upstream) fn stands(&self) -> bool {
        self.again.zip(self.principal).is_none_or(|(again, principal)| again.stands(principal))
    }

    /// The caller as they are now, if that is another than this call speaks of.
    pub(super) async fn changed(&self) -> Result<Option<Principal>, Problem> {
        match self.again.zip(self.principal) {
            Some((again, principal)) if !again.stands(principal) => {
                // Rare, so that no request has to have room for it.
                let look = Box::pin(again.look(&self.head.headers, principal));
                self.deadline.hold(look).await?.map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Who is looked at with each piece of a streamed body.
    pub(super) fn watch(&self) -> Option<Watch> {
        self.again.zip(self.principal).map(|(again, principal)| again.watch(principal))
    }

    /// Why the rest of the body was held back.
    pub(super) async fn cut_off(&self) -> Problem {
        match self.again.zip(self.principal) {
            Some((again, principal)) => Box::pin(again.cut_off(&self.head.headers, principal)).await,
            None => body::broken_off(),
        }
    }
}
