using Microsoft.AspNetCore.Http;

namespace FlannelFlow.Dashboard;

/// <summary>What browsers are told about the pages.</summary>
internal static class PageHeaders
{
    /// <summary>
    /// Scripts and connections are ours alone, and no script stands in a page. Styles may: MudBlazor writes its theme and the places of what pops up into the page.
    /// </summary>
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
        "form-action 'self'; base-uri 'self'; frame-ancestors 'none'";

    public static Task WriteAsync(HttpContext http, Func<Task> next)
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        // Not "no-referrer": with it a form of our own page comes from the origin "null".
        headers["Referrer-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        return next();
    }
}
