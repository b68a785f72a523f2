-- Departures and average delay by airline and hour, from the flights as they come.
SET 'auto.offset.reset' = 'earliest';

-- Columns come from the schema registry; the time of a flight is the hour in which it was to leave.
CREATE STREAM IF NOT EXISTS flights
  WITH (KAFKA_TOPIC = 'flights', VALUE_FORMAT = 'AVRO', TIMESTAMP = 'time_hour');

CREATE TABLE IF NOT EXISTS airlines (code VARCHAR PRIMARY KEY, name VARCHAR)
  WITH (KAFKA_TOPIC = 'airlines', KEY_FORMAT = 'KAFKA', VALUE_FORMAT = 'AVRO');

-- Flights of a day are written in the order in which they really left, up to a day after their hour.
-- They are of 2013: RETENTION keeps their hours, which would leave the table two days of flights later,
-- and its topic for being older than a week.
CREATE TABLE IF NOT EXISTS departures
  WITH (KAFKA_TOPIC = 'departures', PARTITIONS = 1, VALUE_FORMAT = 'AVRO') AS
  SELECT airlines.name AS airline,
         COUNT(flights.dep_time) AS departures,
         AVG(flights.dep_delay) AS average_delay
  FROM flights
  JOIN airlines ON flights.carrier = airlines.code
  WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 20000 DAYS, GRACE PERIOD 2 DAYS)
  GROUP BY airlines.name
  EMIT CHANGES;
