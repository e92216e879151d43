import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { get, withQuery } from '../api';
import type { FoundUsers } from '../answers';
import { Badge, Empty, Field, isMissing, Notice, Said, Show, useLoad } from '../parts';
import { type Place, to } from '../routing';

export function UsersPage({ place }: { readonly place: Place }): JSX.Element {
  const query = place.parameters.get('query') ?? '';
  const [text, setText] = useState(query);
  const found = useLoad((signal) => get<FoundUsers>(withQuery('admin/users', { query, limit: '50' }), signal), [query]);
  const submit = (event: Event): void => {
    event.preventDefault();
    location.hash = withQuery(to('users'), { query: text.trim() });
  };
  return (
    <>
      <h1 tabIndex={-1}>Users</h1>
      <form class="row" role="search" onSubmit={submit}>
        <Field label="E-mail, a part of it, or an id">
          <input
            type="search"
            name="query"
            maxLength={320}
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </Field>
        <button type="submit" class="main">
          Search
        </button>
      </form>
      {isMissing(found.error) ? (
        <Notice tone="plain">
          <p>This application offers no search. Enter the id of a user.</p>
          {query !== '' && <a href={to('users', query)}>Show the sessions of {query}</a>}
        </Notice>
      ) : (
        <Show of={found}>
          {({ items, hasMore }) =>
            items.length === 0 ? (
              <Empty>
                <p>No user matches.</p>
                {query !== '' && <a href={to('users', query)}>Show the sessions of a user with this id</a>}
              </Empty>
            ) : (
              <>
                <table class="list">
                  <thead>
                    <tr>
                      <th scope="col">E-mail</th>
                      <th scope="col">Roles</th>
                      <th scope="col">State</th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map(({ id, email, roles, isActive }) => (
                      <tr key={id}>
                        <td>
                          <a href={to('users', id)}>
                            <Said text={email} />
                          </a>
                        </td>
                        <td data-label="Roles">
                          <Said text={roles.join(', ')} />
                        </td>
                        <td data-label="State">
                          <Badge tone={isActive ? 'good' : 'bad'}>{isActive ? 'active' : 'deactivated'}</Badge>
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                {hasMore && <p class="muted">There are others: search for a longer part of the e-mail.</p>}
              </>
            )
          }
        </Show>
      )}
    </>
  );
}
