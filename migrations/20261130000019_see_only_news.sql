-- Notes the profiles of connecting users. An upsert locks a row, and so writes it, before it looks whether anything is
-- new; so rows that say the same already are left out first.
create or replace function see_users(in_users text[], in_names text[], in_pictures text[]) returns void
language sql
as $$
    insert into users (id, name, picture, seen_at)
    select distinct on (u.id) u.id, coalesce(u.name, ''), u.picture, clock_timestamp()
    from unnest(in_users, in_names, in_pictures) as u (id, name, picture)
    where not exists (
        select 1 from users known
        where known.id = u.id and known.seen_at is not null
            and known.name = coalesce(u.name, '') and known.picture is not distinct from u.picture
    )
    order by u.id
    on conflict (id) do update
    set name = excluded.name,
        picture = excluded.picture,
        seen_at = coalesce(users.seen_at, excluded.seen_at)
    where users.seen_at is null
        or users.name <> excluded.name
        or users.picture is distinct from excluded.picture;
$$;
