using Etcdserverpb;
using Google.Protobuf;

namespace FlannelFlow.Cluster.Etcd;

/// <summary>Between our records and etcd's protobuf messages (etcd api/etcdserverpb/rpc.proto).</summary>
internal static class EtcdWire
{
    public static RangeRequest Range(EtcdKeys keys, long revision, bool keysOnly) => new()
    {
        Key = Bytes(keys.Start),
        RangeEnd = RangeEnd(keys),
        Revision = revision,
        KeysOnly = keysOnly,
    };

    public static DeleteRangeRequest Delete(EtcdKeys keys) => new() { Key = Bytes(keys.Start), RangeEnd = RangeEnd(keys) };

    public static PutRequest Put(string key, string value, EtcdLeaseId lease) => new() { Key = Bytes(key), Value = Bytes(value), Lease = lease.Value };

    public static WatchRequest Watch(EtcdKeys keys, long revision) => new()
    {
        CreateRequest = new WatchCreateRequest
        {
            Key = Bytes(keys.Start),
            RangeEnd = RangeEnd(keys),
            StartRevision = revision,
            PrevKv = true,
            ProgressNotify = true,
        },
    };

    public static TxnRequest Transaction(EtcdTransaction transaction)
    {
        var request = new TxnRequest();
        request.Compare.AddRange(transaction.When.Select(Condition));
        request.Success.AddRange(transaction.Then.Select(Operation));
        request.Failure.AddRange(transaction.Otherwise.Select(Operation));
        return request;
    }

    public static EtcdTransactionResult Result(TxnResponse answer) => new(
        answer.Succeeded,
        answer.Header.Revision,
        [.. answer.Responses.Where(r => r.ResponseRange is not null).Select(r => Range(r.ResponseRange, answer.Header.Revision))]);

    public static EtcdRange Range(RangeResponse answer, long revision) => new(revision, [.. answer.Kvs.Select(Entry)]);

    public static EtcdEntry Entry(Mvccpb.KeyValue pair) =>
        new(pair.Key.ToStringUtf8(), pair.Value.ToStringUtf8(), pair.CreateRevision, pair.ModRevision, pair.Version, new EtcdLeaseId(pair.Lease));

    public static EtcdEvent Event(Mvccpb.Event change) => new(
        change.Type == Mvccpb.Event.Types.EventType.Put ? EtcdEventKind.Put : EtcdEventKind.Delete,
        Entry(change.Kv),
        change.PrevKv is null ? null : Entry(change.PrevKv));

    private static Compare Condition(EtcdCompare condition) => condition switch
    {
        EtcdCompare.CreateRevision c => new Compare
        {
            Key = Bytes(c.Key),
            Target = Compare.Types.CompareTarget.Create,
            Result = Compare.Types.CompareResult.Equal,
            CreateRevision = c.Revision,
        },
        EtcdCompare.ModRevision c => new Compare
        {
            Key = Bytes(c.Key),
            Target = Compare.Types.CompareTarget.Mod,
            Result = Compare.Types.CompareResult.Equal,
            ModRevision = c.Revision,
        },
        EtcdCompare.Value c => new Compare
        {
            Key = Bytes(c.Key),
            Target = Compare.Types.CompareTarget.Value,
            Result = Compare.Types.CompareResult.Equal,
            Value = Bytes(c.Text),
        },
        EtcdCompare.KeyExists c => new Compare
        {
            Key = Bytes(c.Key),
            Target = Compare.Types.CompareTarget.Create,
            Result = Compare.Types.CompareResult.Greater,
            CreateRevision = 0,
        },
        EtcdCompare.NothingUnder c => UnderPrefix(c.Prefix, Compare.Types.CompareTarget.Create, 1),
        EtcdCompare.NothingModifiedUnder c => UnderPrefix(c.Prefix, Compare.Types.CompareTarget.Mod, c.SinceRevision + 1),
        EtcdCompare.NothingCreatedUnder c => UnderPrefix(c.Prefix, Compare.Types.CompareTarget.Create, c.SinceRevision + 1),
        _ => throw new ArgumentException($"unknown condition {condition}", nameof(condition)),
    };

    /// <summary>"revision of every key under the prefix is less than below"; holds for no keys, whose revision counts as 0.</summary>
    private static Compare UnderPrefix(string prefix, Compare.Types.CompareTarget target, long below)
    {
        var compare = new Compare
        {
            Key = Bytes(prefix),
            RangeEnd = RangeEnd(EtcdKeys.Under(prefix)),
            Target = target,
            Result = Compare.Types.CompareResult.Less,
        };
        if (target == Compare.Types.CompareTarget.Create) compare.CreateRevision = below;
        else compare.ModRevision = below;
        return compare;
    }

    private static RequestOp Operation(EtcdOperation operation) => operation switch
    {
        EtcdOperation.Put put => new RequestOp { RequestPut = Put(put.Key, put.Value, put.Lease) },
        EtcdOperation.Delete delete => new RequestOp { RequestDeleteRange = Delete(delete.Keys) },
        EtcdOperation.Read read => new RequestOp { RequestRange = Range(read.Keys, revision: 0, read.KeysOnly) },
        _ => throw new ArgumentException($"unknown operation {operation}", nameof(operation)),
    };

    private static ByteString Bytes(string text) => ByteString.CopyFromUtf8(text);

    /// <summary>The first key after all that begin with the prefix: its last byte plus one. UTF-8 has no byte 0xff, so no carry is needed.</summary>
    private static ByteString RangeEnd(EtcdKeys keys)
    {
        if (!keys.IsPrefix) return ByteString.Empty;
        var bytes = System.Text.Encoding.UTF8.GetBytes(keys.Start);
        bytes[^1]++;
        return ByteString.CopyFrom(bytes);
    }
}
