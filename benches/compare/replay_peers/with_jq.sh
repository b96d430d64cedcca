#!/bin/sh
# The last state of every entity with jq and sqlite3: with_jq.sh LOG DATABASE
set -e
rm -f "$2"
{
    echo 'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;'
    echo 'CREATE TABLE events (key TEXT PRIMARY KEY, seq INTEGER, verb TEXT, id TEXT, type TEXT, data TEXT) WITHOUT ROWID;'
    echo 'CREATE TEMP TABLE read (key, seq, verb, id, type, data);'
    printf '.mode csv\n.import "|jq -r '"'"'[.idempotencyKey, ._seq, .verb, .payload.\\"$id\\", .payload.\\"$type\\", (.payload | tojson)] | @csv'"'"' %s" read\n' "$1"
    echo 'INSERT OR IGNORE INTO events SELECT * FROM read;'
    echo 'CREATE TABLE things (id TEXT PRIMARY KEY, type TEXT, data TEXT) WITHOUT ROWID;'
    echo "INSERT INTO things SELECT id, type, data FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY seq DESC) AS place FROM events) WHERE place = 1 AND verb <> 'thing.deleted' ORDER BY id;"
    echo 'DROP TABLE events;'
} | sqlite3 "$2"
