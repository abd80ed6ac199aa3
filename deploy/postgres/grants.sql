-- The rights of two roles in the database of Roomwire. Run once, inside that database, by a superuser or
-- the administrator of a managed Postgres, before the first `roomwire-gateway migrate`. May be run again.
--
-- roomwire_migrate owns the tables; only `migrate` uses it.
-- roomwire_serve reads and writes rows and can change no table; `serve` and the other commands use it.

revoke all on schema public from public;
grant usage, create on schema public to roomwire_migrate;
grant usage on schema public to roomwire_serve;

-- Whatever migrations make from now on.
alter default privileges for role roomwire_migrate in schema public
    grant select, insert, update, delete on tables to roomwire_serve;

-- Whatever they have made already. Which migrations were applied is nothing that `serve` may change.
grant select, insert, update, delete on all tables in schema public to roomwire_serve;
do $$
begin
    if to_regclass('public._sqlx_migrations') is not null then
        revoke insert, update, delete on public._sqlx_migrations from roomwire_serve;
    end if;
    if to_regclass('public.schema_compatibility') is not null then
        revoke insert, update, delete on public.schema_compatibility from roomwire_serve;
    end if;
end
$$;
