//! Who may have signed: expected identities and what a certificate says.
