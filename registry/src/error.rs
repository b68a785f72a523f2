//! What the registry refuses, with the numbers and words of Confluent's.

use crate::store::StoreError;

/// One variant for each thing that a request can be refused for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(String),
    #[error("Version {0} not found.")]
    VersionNotFound(i32),
    #[error("Schema not found")]
    SchemaNotFound,
    #[error("Schema {0} not found")]
    IdNotFound(String),
    #[error("Subject '{0}' was soft deleted.Set permanent=true to delete permanently")]
    SubjectSoftDeleted(String),
    #[error("Subject '{0}' was not deleted first before being permanently deleted")]
    SubjectNotSoftDeleted(String),
    #[error("Subject '{0}' Version {1} was soft deleted.Set permanent=true to delete permanently")]
    VersionSoftDeleted(String, i32),
    #[error("Subject '{0}' Version {1} was not deleted first before being permanently deleted")]
    VersionNotSoftDeleted(String, i32),
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    NoSubjectConfig(String),
    #[error("Subject '{0}' does not have subject-level mode configured")]
    NoSubjectMode(String),
    #[error(
        "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", \
         details: [{}]", details.join(", ")
    )]
    Incompatible { subject: String, details: Vec<String> },
    #[error("{0}")]
    InvalidSchema(String),
    #[error(
        "The specified version '{0}' is not a valid version id. Allowed values are between \
         [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion(String),
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, \
         backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidLevel,
    #[error("Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.")]
    InvalidMode,
    #[error("Forward mode only supported on global level")]
    ForwardBelowGlobal,
    #[error("{0}")]
    NotPermitted(String),
    #[error("One or more references exist to the schema {0}.")]
    Referenced(String),
    #[error("The specified subject '{0}' is not a valid.")]
    InvalidSubject(String),
    #[error(
        "Invalid context name '{0}': it starts with a dot and has letters, digits, '_', '-' and \
         dots only"
    )]
    InvalidContext(String),
    #[error("Invalid rule set: {0}")]
    InvalidRuleSet(String),
    #[error("Register operation failed because schema is too large")]
    TooLarge,
    #[error("The specified context '{0}' is not empty.")]
    ContextNotEmpty(String),
    #[error("{0}")]
    BadRequest(String),
    #[error("HTTP 404 Not Found")]
    NoSuchPath,
    #[error("HTTP 405 Method Not Allowed")]
    MethodNotAllowed,
    #[error("HTTP 406 Not Acceptable")]
    NotAcceptable,
    #[error("HTTP 415 Unsupported Media Type")]
    UnsupportedMediaType,
    /// The answer of the health check while the cluster is away.
    #[error("{0}")]
    Unhealthy(String),
    #[error("Error while storing the change: {0}")]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// The `error_code` of the answer; its first three digits are the HTTP status.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::SubjectNotFound(_) => 40401,
            Self::VersionNotFound(_) => 40402,
            Self::SchemaNotFound | Self::IdNotFound(_) => 40403,
            Self::SubjectSoftDeleted(_) => 40404,
            Self::SubjectNotSoftDeleted(_) => 40405,
            Self::VersionSoftDeleted(..) => 40406,
            Self::VersionNotSoftDeleted(..) => 40407,
            Self::NoSubjectConfig(_) => 40408,
            Self::NoSubjectMode(_) => 40409,
            Self::Incompatible { .. } => 409,
            Self::InvalidSchema(_) => 42201,
            Self::InvalidVersion(_) => 42202,
            Self::InvalidLevel => 42203,
            Self::InvalidMode | Self::ForwardBelowGlobal => 42204,
            Self::NotPermitted(_) => 42205,
            Self::Referenced(_) => 42206,
            Self::InvalidSubject(_) => 42208,
            Self::InvalidContext(_) | Self::InvalidRuleSet(_) => 42210,
            Self::TooLarge => 42209,
            Self::ContextNotEmpty(_) => 42211,
            Self::BadRequest(_) => 400,
            Self::NoSuchPath => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::UnsupportedMediaType => 415,
            Self::Unhealthy(_) => 503,
            Self::Store(error) => match error {
                StoreError::Write(_) | StoreError::Closed => 50001,
                StoreError::Timeout | StoreError::NotTaken => 50002,
            },
        }
    }
}
