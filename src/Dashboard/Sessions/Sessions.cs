using System.Globalization;
using System.Net;
using System.Security.Claims;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Operations.Access;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace FlannelFlow.Dashboard.Sessions;

/// <summary>Signing in to the pages: a token is exchanged for a cookie, which holds as long as the token does.</summary>
internal static class Sessions
{
    public const string SignInPath = "/sign-in";
    public const string SignOutPath = "/sign-out";

    /// <summary>Of a session that is not used.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromHours(12);

    public static void AddSessions(this IServiceCollection services, AccessOptions access)
    {
        services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(cookie =>
        {
            cookie.Cookie.Name = "flannelflow";
            cookie.Cookie.HttpOnly = true;
            cookie.Cookie.SameSite = SameSiteMode.Strict;
            cookie.Cookie.SecurePolicy = access.IsTls ? CookieSecurePolicy.Always : CookieSecurePolicy.SameAsRequest;
            cookie.ExpireTimeSpan = Life;
            cookie.SlidingExpiration = true;
            cookie.LoginPath = SignInPath;
        });
        services.AddAuthorizationCore();
        services.AddCascadingAuthenticationState();
        services.AddAntiforgery(options =>
        {
            options.Cookie.Name = "flannelflow-form";
            options.Cookie.SecurePolicy = access.IsTls ? CookieSecurePolicy.Always : CookieSecurePolicy.SameAsRequest;
        });
        services.AddScoped<CallerOfPage>();
    }

    /// <summary>Whoever has no role sees the sign-in page, and nothing else.</summary>
    public static void UseSessions(this IApplicationBuilder app) => app.Use(async (http, next) =>
    {
        var session = await http.AuthenticateAsync();
        if (session.Principal is { } principal) http.User = principal;
        var caller = await CallerOfPage.OfAsync(
            http.User, http.RequestServices.GetRequiredService<Gate>(), http.RequestServices.GetRequiredService<AccessOptions>(), http.RequestAborted);
        if (caller is null && http.Request.Path != SignInPath && http.Request.Path != SignOutPath)
        {
            if (http.Request.Path.StartsWithSegments("/_blazor", StringComparison.Ordinal)) http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            else http.Response.Redirect($"{SignInPath}?to={Uri.EscapeDataString(http.Request.Path + http.Request.QueryString)}");
            return;
        }

        await next();
    });

    public static void MapSessions(this IEndpointRouteBuilder routes)
    {
        // Both look at the form's own token themselves, to answer with a page instead of a bare 400.
        routes.MapPost(SignInPath, SignInAsync).DisableAntiforgery();
        routes.MapPost(SignOutPath, async ([FromForm] string? to, HttpContext http, IAntiforgery antiforgery) =>
        {
            if (!await antiforgery.IsRequestValidAsync(http)) return Results.StatusCode(StatusCodes.Status400BadRequest);
            await http.SignOutAsync();
            return Results.LocalRedirect(Local(to));
        }).DisableAntiforgery();
    }

    private static async Task<IResult> SignInAsync([FromForm] string? token, [FromForm] string? to, HttpContext http, IAntiforgery antiforgery, Gate gate)
    {
        if (!await antiforgery.IsRequestValidAsync(http)) return Again("form");
        var from = http.Connection.RemoteIpAddress ?? IPAddress.None;
        if (gate.Failures.Wait(from) is { } wait)
        {
            http.Response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            return Again("wait");
        }

        if (await gate.FindAsync(token ?? "", http.RequestAborted) is not { } caller)
        {
            gate.Failures.Failed(from);
            return Again("token");
        }

        var identity = new ClaimsIdentity(
            [new Claim(ClaimTypes.Name, caller.Name), new Claim(CallerOfPage.TokenClaim, caller.TokenId!)], CookieAuthenticationDefaults.AuthenticationScheme);
        await http.SignInAsync(new ClaimsPrincipal(identity), new AuthenticationProperties { IsPersistent = false });
        return Results.LocalRedirect(Local(to));

        IResult Again(string why) => Results.LocalRedirect($"{SignInPath}?why={why}&to={Uri.EscapeDataString(Local(to))}");
    }

    /// <summary>Nobody is sent away from here.</summary>
    private static string Local(string? to) =>
        to is ['/', ..] and not ['/', '/', ..] and not ['/', '\\', ..] && !to.Any(char.IsControl) ? to : "/";
}

/// <summary>Who sits before the page, as a token says it now.</summary>
public sealed class CallerOfPage(
    Microsoft.AspNetCore.Components.Authorization.AuthenticationStateProvider authentication, Gate gate, AccessOptions access)
{
    internal const string TokenClaim = "flannelflow/token";

    /// <summary>Null: he has no role, or has none any more.</summary>
    public async Task<Caller?> FindAsync(CancellationToken ct) => await OfAsync((await authentication.GetAuthenticationStateAsync()).User, gate, access, ct);

    internal static async Task<Caller?> OfAsync(ClaimsPrincipal user, Gate gate, AccessOptions access, CancellationToken ct)
    {
        if (user.FindFirst(TokenClaim)?.Value is { } id && await gate.FindByIdAsync(id, ct) is { } caller) return caller;
        return access.Anonymous is { } role ? new Caller("anonymous", role) : null;
    }
}
