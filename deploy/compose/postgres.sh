#!/usr/bin/env bash
# Makes the roles and the database, once, when the volume is new.
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set migrate="$(cat /run/secrets/postgres_migrate_password)" \
    --set serve="$(cat /run/secrets/postgres_serve_password)" <<'SQL'
create role roomwire_migrate login password :'migrate';
create role roomwire_serve login password :'serve';
create database roomwire owner roomwire_migrate encoding 'UTF8' template template0;
revoke all on database roomwire from public;
grant connect on database roomwire to roomwire_serve;
\connect roomwire
\i /etc/roomwire/grants.sql
SQL
