//! To come with its first user.
