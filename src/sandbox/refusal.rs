//! What the server says no with, in the forms of REST and DDP.

use serde_json::{Map, Value, json};

/// A refused request, before it is known over which API it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refusal {
    /// A `Meteor.Error`: a code, often a reason, sometimes details.
    Coded {
        code: Value,
        reason: Option<String>,
        details: Option<Value>,
        status: u16,
    },
    /// A plain JavaScript `Error`: REST shows its text, DDP hides it.
    Plain(String),
    /// `{"success":false}` and nothing else.
    Bare,
    /// No session, or a wrong one.
    NotLoggedIn,
    /// 403 without a reason.
    Forbidden,
    /// A failed login over REST has its own body.
    Login(Box<Refusal>),
}

impl Refusal {
    pub(crate) fn coded(code: impl Into<Value>, reason: &str) -> Self {
        Self::Coded {
            code: code.into(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            details: None,
            status: 400,
        }
    }

    /// A refusal whose details name the method, as most do.
    pub(crate) fn in_method(code: &str, reason: &str, method: &str) -> Self {
        Self::coded(code, reason).with_details(json!({ "method": method }))
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::Plain(text.into())
    }

    pub(crate) fn invalid_params(reason: &str) -> Self {
        Self::coded("invalid-params", reason)
    }

    #[must_use]
    pub(crate) fn with_details(mut self, value: Value) -> Self {
        if let Self::Coded { details, .. } = &mut self {
            *details = Some(value);
        }
        self
    }

    #[must_use]
    pub(crate) fn with_status(mut self, value: u16) -> Self {
        if let Self::Coded { status, .. } = &mut self {
            *status = value;
        }
        self
    }

    /// The code as text, as `errorType` has it.
    pub(crate) fn code(&self) -> Option<String> {
        match self {
            Self::Coded {
                code: Value::String(code),
                ..
            } => Some(code.clone()),
            Self::Coded { code, .. } => Some(code.to_string()),
            Self::Login(inner) => inner.code(),
            Self::Plain(_) | Self::Bare | Self::NotLoggedIn | Self::Forbidden => None,
        }
    }

    /// One line for people: `reason [code]`.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Coded { reason, .. } => {
                let code = self.code().unwrap_or_default();
                match reason {
                    Some(reason) => format!("{reason} [{code}]"),
                    None => format!("[{code}]"),
                }
            }
            Self::Plain(text) => text.clone(),
            Self::Bare => "refused".to_owned(),
            Self::NotLoggedIn => "You must be logged in to do this.".to_owned(),
            Self::Forbidden => "forbidden".to_owned(),
            Self::Login(inner) => inner.message(),
        }
    }

    /// The `error` object of a DDP `result` or `nosub`.
    pub(crate) fn to_ddp(&self) -> Value {
        match self {
            Self::Coded {
                code,
                reason,
                details,
                ..
            } => {
                let mut object = Map::new();
                object.insert("isClientSafe".into(), json!(true));
                object.insert("error".into(), code.clone());
                if let Some(reason) = reason {
                    object.insert("reason".into(), json!(reason));
                }
                if let Some(details) = details {
                    object.insert("details".into(), details.clone());
                }
                object.insert("message".into(), json!(self.message()));
                object.insert("errorType".into(), json!("Meteor.Error"));
                Value::Object(object)
            }
            Self::Login(inner) => inner.to_ddp(),
            Self::NotLoggedIn => Self::in_method("error-invalid-user", "Invalid user", "method").to_ddp(),
            Self::Plain(_) | Self::Bare | Self::Forbidden => {
                Self::coded(500, "Internal server error").to_ddp()
            }
        }
    }

    /// Status and body of the REST answer.
    pub(crate) fn to_rest(&self) -> (u16, Value) {
        match self {
            Self::Coded { details, status, .. } => {
                let mut body = json!({
                    "success": false,
                    "error": self.message(),
                    "errorType": self.code(),
                });
                if let (Some(details), Some(object)) = (details, body.as_object_mut()) {
                    object.insert("details".into(), details.clone());
                }
                (*status, body)
            }
            Self::Plain(text) => (400, json!({ "success": false, "error": text })),
            Self::Bare => (400, json!({ "success": false })),
            Self::Forbidden => (403, json!({ "success": false, "error": "forbidden" })),
            Self::NotLoggedIn => {
                let text = "You must be logged in to do this.";
                (
                    401,
                    json!({ "success": false, "status": "error", "error": text, "message": text }),
                )
            }
            Self::Login(inner) => {
                let (error, message) = match inner.as_ref() {
                    // A wrong name and a wrong password look the same on purpose.
                    Self::Coded {
                        reason: Some(reason), ..
                    } if reason == "User not found" => (json!("Unauthorized"), "Unauthorized".to_owned()),
                    Self::Coded { code, reason, .. } => {
                        (code.clone(), reason.clone().unwrap_or_else(|| inner.message()))
                    }
                    other => (json!("Unauthorized"), other.message()),
                };
                let mut body =
                    json!({ "success": false, "status": "error", "error": error, "message": message });
                if let (
                    Self::Coded {
                        details: Some(details),
                        ..
                    },
                    Some(object),
                ) = (inner.as_ref(), body.as_object_mut())
                {
                    object.insert("details".into(), details.clone());
                }
                (401, body)
            }
        }
    }
}

/// The refusal of a limiter, DDP form.
pub(crate) fn too_many_requests(reset_ms: u64) -> Refusal {
    let seconds = reset_ms.div_ceil(1000);
    Refusal::coded(
        "too-many-requests",
        &format!(
            "Error, too many requests. Please slow down. You must wait {seconds} seconds before trying again."
        ),
    )
    .with_details(json!({ "timeToReset": reset_ms }))
}
