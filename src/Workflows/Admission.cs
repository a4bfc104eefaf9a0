namespace FlannelFlow.Workflows;

/// <summary>Accepts instances: those that callers start, and those that steps of other instances start.</summary>
internal sealed class Admission(
    WorkflowRuntimeOptions options, Executor executor, JournalWriter writer, JournalReader reader, IReadOnlyDictionary<string, WorkflowDefinition> definitions, TimeProvider time)
{
    /// <summary>Completes when the instance, or the one that has its key, is durable.</summary>
    /// <param name="parent">The instance, and its execution, that waits for this one's end; null if none does.</param>
    public async Task<InstanceId> AdmitAsync(StartWorkflow start, InstanceRunner? parent, int parentSeq, CancellationToken ct)
    {
        if (!definitions.TryGetValue(start.DefinitionId, out WorkflowDefinition? definition))
            throw new InvalidStartException($"starting {start.DefinitionId}: no such definition{Names.Known(definitions.Keys)}");
        if (start.IdempotencyKey.Length == 0) throw new InvalidStartException($"starting {definition.Id}: the idempotency key is empty");
        InstanceState state = NewInstance(definition, start);
        if (parent is not null)
        {
            CheckClaims(state, parent);
            state = state with { Parent = new ParentLink(parent.Id, parentSeq) };
        }

        // The runner stands before the commit: a grant of the lanes may come at any time from here on.
        InstanceRunner runner = executor.Add(definition, state);
        bool granted = executor.EnterLanes(runner, state);
        try
        {
            Decision decision = Decider.Accept(definition, state, granted, executor.Context());
            executor.Pass(new CrashPoint(definition.Id, "accept", "before-enqueue"));
            AcceptResult result = await writer.AcceptAsync(decision.Commit!, start.Join, ct);
            executor.Deliver(result.Matches);
            if (result.Row is { } row) runner.Begin(decision, row);
            else Forget(runner);
            return result.Instance;
        }
        catch (SimulatedCrashException e)
        {
            executor.Fail("crash point", e);
            throw new RuntimeStoppedException(e.Message);
        }
        catch
        {
            Forget(runner);
            throw;
        }
    }

    /// <summary>Completes when the instance is terminal, with its row.</summary>
    public async Task<InstanceRow> EndAsync(InstanceId id, CancellationToken ct)
    {
        if (executor.Find(id) is { } runner) await runner.Ended.WaitAsync(ct);
        return reader.Instance(id) ?? throw new KeyNotFoundException($"no workflow instance {id}");
    }

    /// <summary>Asks it to undo what it did, and waits for its end.</summary>
    public async Task<InstanceRow> CancelAsync(InstanceId id, string why, CancellationToken ct)
    {
        if (executor.Find(id) is { } runner) await runner.AskAsync(new Alteration.Cancel(), why).WaitAsync(ct);
        return await EndAsync(id, ct);
    }

    /// <summary>The latest with this key, or null.</summary>
    public InstanceRow? Find(string definitionId, string key) => reader.InstanceByKey(definitionId, key);

    private InstanceState NewInstance(WorkflowDefinition definition, StartWorkflow start)
    {
        DateTimeOffset now = time.GetUtcNow();
        var inputs = Values.CheckInput(definition, start.Input);
        return new InstanceState
        {
            Id = new InstanceId(options.NewId(now)),
            DefinitionId = definition.Id,
            DefinitionHash = definition.Hash,
            IdempotencyKey = start.IdempotencyKey,
            Inputs = inputs,
            Claims = [.. definition.Lanes.Select(lane => lane.Resolve(inputs))],
            AcceptedAt = now,
            Deadline = now + (start.Deadline ?? definition.Deadline),
            Variables = Values.Defaults(definition),
        };
    }

    /// <summary>A child gets no lane that its parent has not: to wait for one, holding others, is how deadlocks are made.</summary>
    private static void CheckClaims(InstanceState child, InstanceRunner parent)
    {
        foreach (LaneClaim claim in child.Claims)
        {
            if (!parent.Claims.Any(held => held.Key == claim.Key && held.Mode >= claim.Mode))
                throw new InvalidStartException($"starting {child.DefinitionId} within {parent.DefinitionId} {parent.Id}, which does not hold {claim.Mode} {claim.Key}: its definition must claim that too");
        }
    }

    private void Forget(InstanceRunner runner)
    {
        runner.Abandon();
        executor.Leave(runner);
    }
}
