-- Keeps the newest in_rows of the outbox. What is older becomes one row without rooms, which tells
-- every node to compare all its rooms with their logs once: that heals whatever the rows would have.
create function bound_outbox(in_rows bigint) returns bigint
language plpgsql
as $$
declare
    newest_of_old bigint;
    dropped bigint;
begin
    select o.id into newest_of_old from outbox o order by o.id desc offset in_rows limit 1;
    if not found then
        return 0;
    end if;
    with locked as (
        select o.id from outbox o where o.id <= newest_of_old for update skip locked
    )
    delete from outbox o using locked where o.id = locked.id;
    get diagnostics dropped = row_count;
    if dropped > 0 then
        insert into outbox (rooms, positions, created_at)
        values ('{}', '{}', clock_timestamp() - interval '2 seconds');
    end if;
    return dropped;
end
$$;
