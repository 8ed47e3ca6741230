-- Lines of JSON from the topic `clicks` into the table shop.clicks, exactly once.
SET 'execution.checkpointing.interval' = '10s';

CREATE CATALOG firn WITH (
    'type' = 'iceberg',
    'catalog-type' = 'rest',
    'uri' = 'http://firn:8181'
);
CREATE DATABASE IF NOT EXISTS firn.shop;
CREATE TABLE IF NOT EXISTS firn.shop.clicks (id BIGINT, item STRING);

CREATE TEMPORARY TABLE clicks (id BIGINT, item STRING) WITH (
    'connector' = 'kafka',
    'topic' = 'clicks',
    'properties.bootstrap.servers' = 'kafka:19092',
    'properties.group.id' = 'firn',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);
INSERT INTO firn.shop.clicks SELECT id, item FROM clicks;
