//! Whether the secrets and certificates that the configuration names can be had.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::identity::Keys;
use super::kafka::Authentication;
use super::listen::MIN_TOKEN_BYTES;
use super::redis::{ClientTls, Mode};
use super::{Config, Place, Problems, Secret};

/// Everything that can't be read now.
pub(super) fn unreadable(config: &Config) -> Problems {
    let mut problems = Problems::default();
    let root = Place::root();
    let (listen, admin, redis) = (root.key("listen"), root.key("admin"), root.key("redis"));
    let security = root.key("kafka").key("security");
    if let Some(tls) = &config.listen.tls {
        file(&tls.cert_file, listen.key("tls").key("certFile"), &mut problems);
        file(&tls.key_file, listen.key("tls").key("keyFile"), &mut problems);
    }
    if let Some(token) = &config.admin.token {
        let read = token.read().map_err(|error| error.to_string()).and_then(|text| {
            let long_enough = text.expose().len() >= MIN_TOKEN_BYTES;
            long_enough.then_some(()).ok_or_else(|| format!("needs at least {MIN_TOKEN_BYTES} bytes"))
        });
        problems.take(admin.key("token"), read);
    }
    secret(config.redis.username.as_ref(), redis.key("username"), &mut problems);
    secret(config.redis.password.as_ref(), redis.key("password"), &mut problems);
    client_tls(config.redis.tls.as_ref(), &redis.key("tls"), &mut problems);
    if let Mode::Sentinel { username, password, .. } = &config.redis.mode {
        secret(username.as_ref(), redis.key("sentinel").key("username"), &mut problems);
        secret(password.as_ref(), redis.key("sentinel").key("password"), &mut problems);
    }
    client_tls(config.kafka.security.tls.as_ref(), &security.key("tls"), &mut problems);
    let sasl = security.key("sasl");
    match &config.kafka.security.authentication {
        Authentication::None => {}
        Authentication::Plain { username, password } | Authentication::Scram { username, password, .. } => {
            secret(Some(username), sasl.key("username"), &mut problems);
            secret(Some(password), sasl.key("password"), &mut problems);
        }
        Authentication::Oauth(oauth) => {
            secret(Some(&oauth.client_secret), sasl.key("oauth").key("clientSecret"), &mut problems);
            if let Some(path) = &oauth.ca_file {
                file(path, sasl.key("oauth").key("caFile"), &mut problems);
            }
        }
    }
    for (index, issuer) in config.identity.iter().flat_map(|identity| &identity.issuers).enumerate() {
        let at = root.key("identity").key("issuers").index(index);
        match &issuer.keys {
            Keys::Url { ca_file, .. } => {
                if let Some(path) = ca_file {
                    file(path, at.key("caFile"), &mut problems);
                }
            }
            Keys::File(path) => file(path, at.key("keysFile"), &mut problems),
            Keys::Secret(shared) => secret(Some(shared), at.key("secret"), &mut problems),
        }
    }
    let forward_auth = config.identity.iter().filter_map(|identity| identity.forward_auth.as_ref());
    if let Some(path) = forward_auth.filter_map(|service| service.ca_file.as_ref()).next() {
        file(path, root.key("identity").key("forwardAuth").key("caFile"), &mut problems);
    }
    problems
}

fn secret(secret: Option<&Secret>, place: Place, problems: &mut Problems) {
    if let Some(secret) = secret {
        problems.take(place, secret.read());
    }
}

fn client_tls(tls: Option<&ClientTls>, place: &Place, problems: &mut Problems) {
    let Some(tls) = tls else { return };
    if let Some(path) = &tls.ca_file {
        file(path, place.key("caFile"), problems);
    }
    if let Some(identity) = &tls.identity {
        file(&identity.cert_file, place.key("certFile"), problems);
        file(&identity.key_file, place.key("keyFile"), problems);
    }
}

/// What is in it is judged by who uses it; here only that it is a file with something in it.
fn file(path: &Path, place: Place, problems: &mut Problems) {
    let read = File::open(path).and_then(|mut file| file.read(&mut [0; 1]));
    match read {
        Ok(0) => problems.add(place, format!("{} is empty", path.display())),
        Ok(_) => {}
        Err(error) => problems.add(place, format!("failed to read {}: {error}", path.display())),
    }
}
