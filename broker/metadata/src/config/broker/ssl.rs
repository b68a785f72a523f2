//! TLS.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "ssl.allow.dn.changes" Boolean "false", Check::Any, Low ReadOnly Missing;
        "Allows a renewed certificate to change its name.";
    "ssl.allow.san.changes" Boolean "false", Check::Any, Low ReadOnly Missing;
        "Allows a renewed certificate to drop alternative names.";
    "ssl.cipher.suites" List "", Check::Any, Medium PerBroker Missing;
        "Cipher suites that may be used; empty is all.";
    "ssl.client.auth" String "none", Check::OneOf(&["required", "requested", "none"]),
        Medium PerBroker Missing;
        "Whether clients must, may or need not show a certificate.";
    "ssl.enabled.protocols" List "TLSv1.2,TLSv1.3", Check::Any, Medium PerBroker Missing;
        "TLS versions that may be used.";
    "ssl.endpoint.identification.algorithm" String "https", Check::Any, Low PerBroker Missing;
        "How a server's name is held against its certificate.";
    "ssl.engine.factory.class" Class null, Check::Any, Low PerBroker Missing;
        "Java class that makes TLS engines.";
    "ssl.key.password" Password null, Check::Any, Medium PerBroker Missing;
        "Password of the private key.";
    "ssl.keymanager.algorithm" String "SunX509", Check::Any, Medium PerBroker Missing;
        "Algorithm of the key manager.";
    "ssl.keystore.certificate.chain" Password null, Check::Any, Medium PerBroker Missing;
        "Certificate chain in PEM form.";
    "ssl.keystore.key" Password null, Check::Any, Medium PerBroker Missing;
        "Private key in PEM form.";
    "ssl.keystore.location" String null, Check::Any, Medium PerBroker Missing;
        "File of the node's key and certificate.";
    "ssl.keystore.password" Password null, Check::Any, Medium PerBroker Missing;
        "Password of the key store.";
    "ssl.keystore.type" String "JKS", Check::Any, Medium PerBroker Missing;
        "Format of the key store.";
    "ssl.principal.mapping.rules" String "DEFAULT", Check::Any, Low ReadOnly Missing;
        "Rules that turn a certificate's name into a principal.";
    "ssl.protocol" String "TLSv1.3", Check::Any, Medium PerBroker Missing;
        "TLS version of a new context.";
    "ssl.provider" String null, Check::Any, Medium PerBroker Missing;
        "Security provider of TLS.";
    "ssl.secure.random.implementation" String null, Check::Any, Low PerBroker Missing;
        "Source of randomness of TLS.";
    "ssl.trustmanager.algorithm" String "PKIX", Check::Any, Medium PerBroker Missing;
        "Algorithm of the trust manager.";
    "ssl.truststore.certificates" Password null, Check::Any, Medium PerBroker Missing;
        "Trusted certificates in PEM form.";
    "ssl.truststore.location" String null, Check::Any, Medium PerBroker Missing;
        "File of the trusted certificates.";
    "ssl.truststore.password" Password null, Check::Any, Medium PerBroker Missing;
        "Password of the trust store.";
    "ssl.truststore.type" String "JKS", Check::Any, Medium PerBroker Missing;
        "Format of the trust store.";
};
