//! Authentication by SASL, and authorisation.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "sasl.client.callback.handler.class" Class null, Check::Any, Medium ReadOnly Missing;
        "Java class of callbacks for SASL as a client.";
    "sasl.enabled.mechanisms" List "GSSAPI", Check::Any, Medium PerBroker Missing;
        "SASL mechanisms that clients may use.";
    "sasl.jaas.config" Password null, Check::Any, Medium PerBroker Missing;
        "Login settings of SASL in JAAS form.";
    "sasl.kerberos.kinit.cmd" String "/usr/bin/kinit", Check::Any, Medium PerBroker Missing;
        "Path of the kinit command.";
    "sasl.kerberos.min.time.before.relogin" Long "60000", Check::Any, Medium PerBroker Missing;
        "Least pause between two Kerberos logins.";
    "sasl.kerberos.principal.to.local.rules" List "DEFAULT", Check::Any, Medium PerBroker Missing;
        "Rules that turn Kerberos names into short names.";
    "sasl.kerberos.service.name" String null, Check::Any, Medium PerBroker Missing;
        "Kerberos name under which brokers run.";
    "sasl.kerberos.ticket.renew.jitter" Double "0.05", Check::Any, Medium PerBroker Missing;
        "Random share added to the Kerberos renewal.";
    "sasl.kerberos.ticket.renew.window.factor" Double "0.8", Check::Any, Medium PerBroker Missing;
        "Share of a ticket's life after which it is renewed.";
    "sasl.login.callback.handler.class" Class null, Check::Any, Medium ReadOnly Missing;
        "Java class of callbacks for a SASL login.";
    "sasl.login.class" Class null, Check::Any, Medium ReadOnly Missing;
        "Java class of the SASL login.";
    "sasl.login.connect.timeout.ms" Int null, Check::Any, Low ReadOnly Missing;
        "Wait for a connection to the identity provider.";
    "sasl.login.read.timeout.ms" Int null, Check::Any, Low ReadOnly Missing;
        "Wait for the identity provider's answer.";
    "sasl.login.refresh.buffer.seconds" Short "300", Check::Any, Medium PerBroker Missing;
        "Time left of a credential at which it must be renewed.";
    "sasl.login.refresh.min.period.seconds" Short "60", Check::Any, Medium PerBroker Missing;
        "Least pause between two renewals of a credential.";
    "sasl.login.refresh.window.factor" Double "0.8", Check::Any, Medium PerBroker Missing;
        "Share of a credential's life after which it is renewed.";
    "sasl.login.refresh.window.jitter" Double "0.05", Check::Any, Medium PerBroker Missing;
        "Random share added to the renewal of a credential.";
    "sasl.login.retry.backoff.max.ms" Long "10000", Check::Any, Low ReadOnly Missing;
        "Longest pause between two logins.";
    "sasl.login.retry.backoff.ms" Long "100", Check::Any, Low ReadOnly Missing;
        "First pause between two logins.";
    "sasl.mechanism.controller.protocol" String "GSSAPI", Check::Any, High ReadOnly Missing;
        "SASL mechanism towards controllers.";
    "sasl.mechanism.inter.broker.protocol" String "GSSAPI", Check::Any, Medium PerBroker Missing;
        "SASL mechanism between brokers.";
    "sasl.oauthbearer.assertion.algorithm" String "RS256", Check::OneOfAnyCase(&["ES256", "RS256"]),
        Medium ReadOnly Missing;
        "Algorithm that signs the assertion.";
    "sasl.oauthbearer.assertion.claim.aud" String null, Check::Any, Medium ReadOnly Missing;
        "Audience claim of the assertion.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" Int "300", Check::Between(0, 86400),
        Low ReadOnly Missing;
        "Life of the assertion.";
    "sasl.oauthbearer.assertion.claim.iss" String null, Check::Any, Medium ReadOnly Missing;
        "Issuer claim of the assertion.";
    "sasl.oauthbearer.assertion.claim.jti.include" Boolean "false", Check::Any,
        Medium ReadOnly Missing;
        "Gives the assertion an id of its own.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" Int "60", Check::Between(0, 3600),
        Low ReadOnly Missing;
        "How long before its making the assertion is valid.";
    "sasl.oauthbearer.assertion.claim.sub" String null, Check::Any, Medium ReadOnly Missing;
        "Subject claim of the assertion.";
    "sasl.oauthbearer.assertion.file" String null, Check::Any, Medium ReadOnly Missing;
        "File that holds a ready assertion.";
    "sasl.oauthbearer.assertion.private.key.file" String null, Check::Any, Medium ReadOnly Missing;
        "File of the key that signs the assertion.";
    "sasl.oauthbearer.assertion.private.key.passphrase" Password null, Check::Any,
        Medium ReadOnly Missing;
        "Passphrase of the key that signs the assertion.";
    "sasl.oauthbearer.assertion.template.file" String null, Check::Any, Medium ReadOnly Missing;
        "File of further claims and headers of the assertion.";
    "sasl.oauthbearer.client.credentials.client.id" String null, Check::Any,
        Medium ReadOnly Missing;
        "Client id at the identity provider.";
    "sasl.oauthbearer.client.credentials.client.secret" Password null, Check::Any,
        Medium ReadOnly Missing;
        "Client secret at the identity provider.";
    "sasl.oauthbearer.clock.skew.seconds" Int "30", Check::Any, Low ReadOnly Missing;
        "Difference of clocks that is forgiven when a token is checked.";
    "sasl.oauthbearer.expected.audience" List "", Check::Any, High ReadOnly Missing;
        "Audiences that a token must name.";
    "sasl.oauthbearer.expected.issuer" String null, Check::Any, High ReadOnly Missing;
        "Issuer that a token must name.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long "3600000", Check::Any, Low ReadOnly Missing;
        "Pause between two fetches of the provider's keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long "10000", Check::Any,
        Low ReadOnly Missing;
        "Longest pause between two tries to fetch the provider's keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long "100", Check::Any, Low ReadOnly Missing;
        "First pause between two tries to fetch the provider's keys.";
    "sasl.oauthbearer.jwks.endpoint.url" String null, Check::Any, Medium ReadOnly Missing;
        "Address of the provider's keys.";
    "sasl.oauthbearer.jwt.retriever.class" Class
        "org.apache.kafka.common.security.oauthbearer.\
         DefaultJwtRetriever",
        Check::Any,
        Medium ReadOnly Missing;
        "Java class that obtains tokens.";
    "sasl.oauthbearer.jwt.validator.class" Class
        "org.apache.kafka.common.security.oauthbearer.\
         DefaultJwtValidator",
        Check::Any,
        Medium ReadOnly Missing;
        "Java class that checks tokens.";
    "sasl.oauthbearer.scope" String null, Check::Any, Medium ReadOnly Missing;
        "Scope that is asked for.";
    "sasl.oauthbearer.scope.claim.name" String "scope", Check::Any, Low ReadOnly Missing;
        "Claim that holds the scope.";
    "sasl.oauthbearer.sub.claim.name" String "sub", Check::Any, Low ReadOnly Missing;
        "Claim that holds the subject.";
    "sasl.oauthbearer.token.endpoint.url" String null, Check::Any, Medium ReadOnly Missing;
        "Address at which tokens are obtained.";
    "sasl.server.callback.handler.class" Class null, Check::Any, Medium ReadOnly Missing;
        "Java class of callbacks for SASL as a server.";
    "sasl.server.max.receive.size" Int "524288", Check::Any, Medium ReadOnly Missing;
        "Largest token that a client may send while it authenticates.";
    "delegation.token.expiry.check.interval.ms" Long "3600000", Check::AtLeast(1),
        Low ReadOnly Missing;
        "Pause between two looks for expired tokens.";
    "delegation.token.expiry.time.ms" Long "86400000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Time for which a token holds until it is renewed.";
    "delegation.token.max.lifetime.ms" Long "604800000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Age after which a token cannot be renewed.";
    "delegation.token.secret.key" Password null, Check::Any, Medium ReadOnly Missing;
        "Secret that signs delegation tokens.";
    "authorizer.class.name" String "", Check::Any, Low ReadOnly Missing;
        "Java class that decides what a principal may do.";
    "principal.builder.class" Class
        "org.apache.kafka.common.security.authenticator.\
         DefaultKafkaPrincipalBuilder",
        Check::Any,
        Medium PerBroker Missing;
        "Java class that turns a connection into a principal.";
    "security.providers" String null, Check::Any, Low ReadOnly Missing;
        "Java classes of security providers.";
};
