use crate::support::*;

/// The demonstration's query: Avro in, columns from the registry, a join, windows over the time
/// in a column, Avro out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delays_by_airline_and_hour_survive_a_restart() {
    let cluster = Cluster::start().await;
    let engine = cluster.engine().await;
    let sources = "CREATE STREAM raw (carrier VARCHAR, dep_delay DOUBLE, time_hour VARCHAR) \
                   WITH (kafka_topic='flights', value_format='AVRO', partitions=2); \
                   CREATE TABLE airlines (carrier VARCHAR PRIMARY KEY, name VARCHAR) \
                   WITH (kafka_topic='airlines', value_format='AVRO', partitions=1); \
                   INSERT INTO airlines VALUES ('UA', 'United'); \
                   INSERT INTO airlines VALUES ('AA', 'American'); \
                   INSERT INTO raw VALUES ('UA', 2, '2013-01-01T10:00:00Z'); \
                   INSERT INTO raw VALUES ('UA', NULL, '2013-01-01T10:00:00Z'); \
                   INSERT INTO raw VALUES ('AA', -4, '2013-01-01T11:00:00Z'); \
                   INSERT INTO raw VALUES ('ZZ', 9, '2013-01-01T10:00:00Z');";
    run(&engine, sources).await;
    let query = "CREATE STREAM flights WITH (kafka_topic='flights', value_format='AVRO', \
                 timestamp='time_hour', timestamp_format='yyyy-MM-dd''T''HH:mm:ssX'); \
                 CREATE TABLE delays WITH (partitions=1) AS \
                 SELECT a.name AS airline, COUNT(*) AS departures, AVG(f.dep_delay) AS delay \
                 FROM flights f JOIN airlines a ON f.carrier = a.carrier \
                 WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 1 DAY) GROUP BY a.name EMIT CHANGES;";
    run(&engine, query).await;
    engine.wait_caught_up().await.unwrap();
    let select = "SELECT airline, WINDOWSTART, departures, delay FROM delays;";
    let (ten, eleven) = (1_357_034_400_000_i64, 1_357_038_000_000_i64);
    let united = format!("[\"United\",{ten},2,2.0]");
    let american = format!("[\"American\",{eleven},1,-4.0]");
    assert_eq!(sorted_rows(&engine, select).await, [american.clone(), united]);
    engine.shutdown().await;
    std::fs::remove_dir_all(cluster.state_dir()).unwrap();

    let engine = cluster.engine().await;
    run(&engine, "INSERT INTO raw VALUES ('UA', 6, '2013-01-01T10:00:00Z');").await;
    engine.wait_caught_up().await.unwrap();
    let united = format!("[\"United\",{ten},3,4.0]");
    assert_eq!(sorted_rows(&engine, select).await, [american, united]);
    engine.shutdown().await;
    cluster.stop().await;
}
