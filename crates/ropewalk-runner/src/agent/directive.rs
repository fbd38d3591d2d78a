//! What the agent tells the follower of an attempt.

use ropewalk_model::status::Cause;

/// Later ones outrank earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// Go on.
    Go,
    /// End the build and report that.
    End(Cause),
    /// End the build and report nothing: it is somebody else's or over.
    Drop,
}

impl Directive {
    fn rank(self) -> u8 {
        match self {
            Directive::Go => 0,
            Directive::End(_) => 1,
            Directive::Drop => 2,
        }
    }

    /// Becomes `next` if that outranks it; answers whether it did.
    pub(super) fn raise(&mut self, next: Directive) -> bool {
        let raised = next.rank() > self.rank();
        if raised {
            *self = next;
        }
        raised
    }
}
