//! Development tokens, signed with the configured secret.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use roomwire_shared::{UserId, auth::Claims};
use secrecy::ExposeSecret;

use crate::config::{Auth, KeySource};

/// What the token should say.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TokenArgs {
    /// User id.
    #[arg(long)]
    sub: UserId,
    /// Shown name.
    #[arg(long)]
    name: Option<String>,
    /// URL of a picture.
    #[arg(long)]
    picture: Option<String>,
    /// Seconds that the token is valid.
    #[arg(long, default_value_t = 86_400)]
    ttl: u64,
}

impl TokenArgs {
    /// For a user without a name or picture, valid for so many seconds.
    pub(crate) fn new(sub: UserId, ttl: u64) -> Self {
        Self {
            sub,
            name: None,
            picture: None,
            ttl,
        }
    }
}

/// Whom a token is for, by its own word: only for somebody who is about to show it to whoever checks it.
pub(crate) fn user_of(token: &str, claim: &str) -> Option<String> {
    let claims: serde_json::Value = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    claims.get(claim)?.as_str().map(str::to_owned)
}

/// Signs a token, if a shared secret is configured.
pub(crate) fn sign(args: TokenArgs, auth: &Auth) -> anyhow::Result<String> {
    let KeySource::Secret(secret) = &auth.keys else {
        anyhow::bail!("tokens of a JWKS are signed by their issuer; set JWT_HS256_SECRET");
    };
    let claims = Claims {
        sub: args.sub.as_str().to_owned(),
        name: args.name,
        picture: args.picture,
        exp: get_current_timestamp().saturating_add(args.ttl),
        nbf: None,
        aud: auth.audience.clone(),
        iss: auth.issuer.clone(),
    };
    let mut claims = serde_json::to_value(claims)?;
    if let Some(claims) = claims.as_object_mut()
        && let Some(user) = claims.remove("sub")
    {
        claims.insert(auth.user_claim.clone(), user);
    }
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    Ok(encode(&Header::new(Algorithm::HS256), &claims, &key)?)
}
