//! `samspor.v1.ExplainService`: why a posting is or is not tagged.

use jiff::Timestamp;
use samspor_domain::Text;
use samspor_domain::audit::{Action, Subject};
use samspor_engine::{Handle, Said, explain};
use tonic::{Request, Response, Status};

use crate::question::{self, Means, NotAnswered, Question, Store};
use crate::reading::Place;
use crate::v1::explain_service_server::ExplainService;
use crate::v1::{ExplainPostingRequest, ExplainPostingResponse, ExplanationStep};
use crate::{audit, reading, refusal};

/// The service, on the way to the engine.
pub(crate) struct Explain {
    pub(crate) handle: Handle,
    pub(crate) means: Means,
}

struct Asked {
    source: Text,
    posting: Text,
    as_of: Option<Timestamp>,
}

fn asked(request: &ExplainPostingRequest) -> Result<Asked, Status> {
    let read = reading::request(|at: Place<'_>| {
        let source = at.field("source").required(&request.source, Place::text);
        let posting = at.field("posting").required(&request.posting, Place::text);
        let as_of = at.field("as_of").optional(request.as_of.as_deref(), Place::instant);
        Ok(Asked { source: source?, posting: posting?, as_of: as_of? })
    });
    read.map_err(|faults| refusal::invalid(&faults))
}

impl Question for ExplainPostingRequest {
    type Answer = ExplainPostingResponse;
    const METHOD: &'static str = "/samspor.v1.ExplainService/ExplainPosting";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let Asked { source, posting, as_of } = asked(self)?;
        let vault = store.vault.clone();
        let explained = explain(store.read, vault, &store.charts, &source, &posting, as_of)?;
        let explanation = explained.ok_or_else(|| {
            // Refusals quote nothing: what stands where an id should may be somebody's number.
            let when = if as_of.is_some() { "was known then" } else { "is known" };
            refusal::not_there("UNKNOWN_POSTING", &format!("no posting of that source and id {when}"))
        })?;
        let state = match &explanation.said {
            Said::Answer(answer) => {
                Some((store.means.write_state)(source.as_str(), posting.as_str(), answer))
            }
            Said::Erased => None,
        };
        let steps = explanation.steps.into_iter();
        let steps = steps.map(|step| ExplanationStep { heading: step.heading.to_owned(), lines: step.lines });
        Ok(ExplainPostingResponse {
            erased: state.is_none(),
            state: state.unwrap_or_default(),
            steps: steps.collect(),
        })
    }
}

#[tonic::async_trait]
impl ExplainService for Explain {
    async fn explain_posting(
        &self,
        request: Request<ExplainPostingRequest>,
    ) -> Result<Response<ExplainPostingResponse>, Status> {
        let Asked { source, posting, .. } = asked(request.get_ref())?;
        let subject = Subject::Posting { source, id: posting };
        let handle = self.handle.audited(audit::told(&request, Action::Explain, [subject]));
        question::answer(&handle, &self.means, request.into_inner()).await
    }
}
