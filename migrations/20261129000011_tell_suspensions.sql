-- A suspension concerns sockets that are open, whoever writes it and however. So the table itself
-- owes the nodes of that user a hint. Made to look as old as what is swept, it is published by the
-- next sweep of any node, half a second later at most.

create function owe_suspension() returns trigger
language plpgsql
as $$
begin
    insert into outbox (created_at, rooms, positions, users)
    values (clock_timestamp() - interval '1 second', '{}', '{}', array[new.id]);
    return null;
end
$$;

create trigger users_suspension_changed after update of suspended on users
    for each row when (old.suspended is distinct from new.suspended)
    execute function owe_suspension();

-- Somebody may be suspended before they ever came.
create trigger users_made_suspended after insert on users
    for each row when (new.suspended)
    execute function owe_suspension();
