//! The controller: a command and the image give records and an answer.
