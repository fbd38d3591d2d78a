//! What the agent tells the follower of an attempt.

use ropewalk_model::status::Cause;

/// Later ones outrank earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on.
    Go,
    /// End the build and report that.
    End(Cause),
    /// End the build and report nothing: it is somebody else's or over.
    Drop,
}

impl Order {
    fn rank(self) -> u8 {
        match self {
            Order::Go => 0,
            Order::End(_) => 1,
            Order::Drop => 2,
        }
    }

    /// Becomes `next` if that outranks it; answers whether it did.
    pub(super) fn raise(&mut self, next: Order) -> bool {
        let raised = next.rank() > self.rank();
        if raised {
            *self = next;
        }
        raised
    }
}
